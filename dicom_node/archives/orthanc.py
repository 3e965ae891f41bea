"""Orthanc knows no rejection notes: what a note takes back is deleted there by its REST API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from orthanc_api_client import OrthancApiClient
from orthanc_api_client import exceptions as answers

from dicom_node.errors import Rejected, Unreachable

_SECONDS = 30.0
_NONE = "what answers at {} is not Orthanc's REST API"


@dataclass(frozen=True, slots=True)
class Rest:
    """The REST API of an Orthanc at a URL; without ``user`` none is stated."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)

    def delete(self, sop_instance_uid: str) -> None:
        """Delete one object; nothing happens when it is not there.

        Raises:
            Unreachable: it does not answer now.
            Rejected: it wants another user, does not allow it, or is none.
        """
        with self._client() as client:
            for identifier in client.lookup(sop_instance_uid, filter="Instance"):
                client.instances.delete(identifier, ignore_errors=True)

    def check(self) -> None:
        """Ask it for itself.

        Raises:
            Unreachable: it does not answer now.
            Rejected: it wants another user, does not allow it, or is none.
        """
        with self._client() as client:
            client.get_system()["Version"]

    @contextmanager
    def _client(self) -> Iterator[OrthancApiClient]:
        client = OrthancApiClient(f"{self.url.rstrip('/')}/", user=self.user, pwd=self.password)
        session = client._http_session
        session.request = partial(session.request, timeout=_SECONDS)  # it waits for ever else
        try:
            yield client
        except (answers.NotAuthorized, answers.Forbidden) as error:
            told = f"Orthanc's REST API answered {error.http_status_code}"
            raise Rejected(f"{told}: set DICOM_NODE_ORTHANC__USER and __PASSWORD") from None
        except answers.ResourceNotFound:
            raise Rejected(_NONE.format(self.url)) from None
        except answers.HttpError as error:
            raise Unreachable(f"Orthanc's REST API answered {error.http_status_code}") from None
        except answers.OrthancApiException:
            raise Unreachable("Orthanc's REST API does not answer") from None
        except (ValueError, TypeError, KeyError):
            raise Rejected(_NONE.format(self.url)) from None
        finally:
            session.close()
