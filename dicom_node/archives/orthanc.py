"""Orthanc knows no rejection notes: what a note takes back is deleted there by its REST API."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException

from dicom_node.errors import Rejected, Unreachable

_SECONDS = 30.0


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
        answer = self._call("POST", "/tools/lookup", sop_instance_uid) or b"[]"
        try:
            found = [one["ID"] for one in json.loads(answer) if one["Type"] == "Instance"]
        except (ValueError, TypeError, KeyError):
            raise Rejected(f"what answers at {self.url} is not Orthanc's REST API") from None
        for identifier in found:
            self._call("DELETE", f"/instances/{identifier}")

    def _call(self, method: str, path: str, body: str = "") -> bytes:
        request = urllib.request.Request(  # noqa: S310 - http(s) by the settings
            f"{self.url.rstrip('/')}{path}", body.encode() or None, method=method
        )
        if self.user:
            stated = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
            request.add_header("Authorization", f"Basic {stated}")
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - as above
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return b""
            told = f"Orthanc's REST API answered {error.code}"
            if error.code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                raise Rejected(f"{told}: set DICOM_NODE_ORTHANC__USER and __PASSWORD") from None
            raise Unreachable(told) from None
        except (OSError, HTTPException):
            raise Unreachable("Orthanc's REST API does not answer") from None
        return content
