"""The sections of ``node.yaml``: what each may hold, and what holds where it says nothing."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from pathlib import Path
from string import hexdigits
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dicom_node.units import Duration, Size

NAME = r"^[a-z0-9-]{1,32}$"
_MAXIMUM_AE_TITLE = 16  # PS3.5 Table 6.2-1, AE
_SHA256_DIGITS = 64


def _ae_title(value: str) -> str:
    if not 1 <= len(value.strip()) <= _MAXIMUM_AE_TITLE:
        raise ValueError(
            f"an AE title has 1 to {_MAXIMUM_AE_TITLE} characters, this has {len(value)}"
        )
    if "\\" in value or not value.isascii() or not value.isprintable():
        raise ValueError("an AE title holds printable ASCII characters and no backslash")
    return value.strip()


def _network(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value.strip()))
    except ValueError:
        raise ValueError("expected an address, 10.1.2.3, or a network, 10.1.0.0/16") from None


def _outlives_a_sign(value: timedelta) -> timedelta:
    if value < timedelta(hours=1):
        raise ValueError("at least 1 hour: an edge that lives says so every 10 minutes only")
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Network = Annotated[str, AfterValidator(_network)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Section(BaseModel):
    """Nothing may stand in it that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(Section):
    """Who this node is, and where it keeps what it receives."""

    ae_title: AeTitle = "DICOMNODE"
    host: str = "127.0.0.1"
    port: Port = 11112
    data: Path = Path("dicom-node-data")


class ReceiveSection(Section):
    """Who may send, and how much at once."""

    calling_ae_titles: tuple[AeTitle, ...] = ()
    addresses: tuple[Network, ...] = ()
    maximum_associations: Annotated[int, Field(ge=1)] = 50
    maximum_associations_per_sender: Annotated[int, Field(ge=1)] = 25
    maximum_pdu_bytes: Annotated[int, Field(ge=4096)] = 262144
    maximum_object: Size = 2 * 1024**3
    association_seconds: Seconds = 30
    message_seconds: Seconds = 60
    idle_seconds: Seconds = 60
    object_seconds: Seconds = 3600
    lowest_bytes_per_second: Annotated[int, Field(ge=0)] = 1000
    without_object_seconds: Seconds = 600
    disk_reserve: Size = 1024**3
    disk_low: Size | None = None

    @field_validator("maximum_associations_per_sender")
    @classmethod
    def _of_all(cls, value: int, info: ValidationInfo) -> int:
        in_all = info.data.get("maximum_associations", value)
        if value > in_all:
            raise ValueError(f"{value} are more than maximum_associations, {in_all}")
        return value

    @field_validator("disk_low")
    @classmethod
    def _above_reserve(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value < info.data.get("disk_reserve", 0):
            raise ValueError("room has to be made before nothing is accepted: below disk_reserve")
        return value

    @property
    def low_bytes(self) -> int:
        """With less free on the disk, room is made."""
        return 2 * self.disk_reserve if self.disk_low is None else self.disk_low

    @property
    def least_for_priors(self) -> int:
        """With less free on the disk, no earlier study is fetched."""
        return self.disk_reserve * 3 // 4

    @property
    def least_for_results(self) -> int:
        """No result leaves less free on the disk: the ledger has to go on, so that what is built
        can be delivered and deleted.
        """
        return self.disk_reserve // 4


def _callers(value: Any) -> Any:
    """One name or several, for each AE title."""
    if not isinstance(value, dict):
        return value
    return {title: [one] if isinstance(one, str) else one for title, one in value.items()}


def _proof(value: str) -> str:
    """A SHA-256 as any tool prints it, or a name as it is."""
    plain = value.replace(":", "").lower()
    return plain if len(plain) == _SHA256_DIGITS and set(plain) <= set(hexdigits) else value


Proof = Annotated[str, AfterValidator(_proof)]


class OwnTlsSection(Section):
    """Files in PEM: what is shown, and whose certificates are believed."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        return self


class TlsSection(OwnTlsSection):
    """DICOM by TLS: the port for it, and what peers called by TLS are shown by default."""

    port: Port | None = None
    only: bool = False
    passphrase: Annotated[str, Field(repr=False)] = ""
    client_certificate: Literal["required", "none"] = "required"
    callers: Annotated[
        dict[AeTitle, Annotated[tuple[Proof, ...], Field(min_length=1)]], BeforeValidator(_callers)
    ] = {}

    @model_validator(mode="after")
    def _enough(self) -> Self:
        if self.port is None and (self.only or self.callers):
            raise ValueError("`only` and `callers` need a `port`")
        if self.port is not None and None in (self.certificate, self.authority):
            raise ValueError("a port needs `certificate`, `key` and `authority`")
        if self.callers and self.client_certificate == "none":
            raise ValueError("`callers` need `client_certificate: required`")
        return self


class PeerTlsSection(OwnTlsSection):
    """How a peer is called by TLS; files that are not given are those of the section `tls`."""

    name: str = ""
    check_name: bool = True


def _switch(value: Any) -> Any:
    """``tls: true`` is a section in which nothing stands."""
    return {True: {}, False: None}[value] if isinstance(value, bool) else value


class CompletionSection(Section):
    """When a study counts as complete."""

    quiet_seconds: Seconds = 30
    ceiling_seconds: Seconds = 3600
    announced_seconds: Seconds = 2
    ask_archive: bool = True
    count_seconds: Seconds = 300
    edge_lease_seconds: Seconds = 30


class LedgerSection(Section):
    """The database that holds the truth; empty: SQLite in the data folder."""

    url: str = ""


class BrokerSection(Section):
    """What wakes the workers; empty: files in the data folder, no server needed."""

    url: str = ""
    authority: Path | None = None


class PeerSection(Section):
    """A DICOM application on the network."""

    ae_title: AeTitle
    host: str
    port: Port
    timeout_seconds: Seconds = 30
    tls: Annotated[PeerTlsSection | None, BeforeValidator(_switch)] = None


class ArchiveSection(PeerSection):
    """Where earlier studies are looked for."""

    protocol: str = "dimse"
    retrieve: Literal["c-get", "c-move"] = "c-get"


class DestinationSection(PeerSection):
    """Where results go. ``test`` says that no patient's care depends on it."""

    name: Annotated[str, Field(pattern=NAME)]
    test: bool = False
    commitment: Literal["required", "offered", "none"] = "offered"
    verify: Literal["query", "none"] = "query"
    profile: str = "air"
    orthanc: Annotated[str, Field(pattern=r"^(https?://[^@]+)?$")] = ""


class OrthancSection(Section):
    """As whom to delete what was withdrawn, at destinations that name an Orthanc's REST API."""

    user: str = ""
    password: Annotated[str, Field(repr=False)] = ""


class DeliverySection(Section):
    """How long to try when a destination is away, and to wait for what it commits itself to."""

    first_retry_seconds: Seconds = 10
    longest_retry_seconds: Seconds = 900
    give_up: Duration = timedelta(days=7)
    commitment_open_seconds: Annotated[float, Field(ge=0)] = 3
    commitment_seconds: Seconds = 600


class EngineSection(Section):
    """What answers. ``model`` is a local folder or a hub id; a hub id needs ``revision``."""

    name: str = "demonstration"
    model: str = ""
    revision: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    max_new_tokens: Annotated[int, Field(ge=16)] = 512
    threads: Annotated[int, Field(ge=1)] | None = None


class LimitsSection(Section):
    """Bounds on one study's work; leases and Celery's timeouts are derived from them."""

    reading_seconds: Seconds = 600
    prior_wait_seconds: Seconds = 120
    attempts: Annotated[int, Field(ge=1)] = 3
    sweep_seconds: Seconds = 2
    routine_wait_seconds: Seconds = 1800
    deaf_seconds: Seconds = 120


class RetentionSection(Section):
    """How long files are kept, counted from the end of their study or from when they came."""

    done: Duration = timedelta(days=7)
    under_pressure: Duration = timedelta(days=1)
    refused: Duration = timedelta(days=7)
    failed: Duration = timedelta(days=30)
    correctable: Duration = timedelta(days=365)
    priors: Duration = timedelta(days=30)
    priors_size: Size = 10 * 1024**3
    quarantine: Duration = timedelta(days=90)
    quarantine_size: Size = 5 * 1024**3
    incoming: Annotated[Duration, AfterValidator(_outlives_a_sign)] = timedelta(days=1)

    @field_validator("under_pressure")
    @classmethod
    def _earlier(cls, value: timedelta, info: ValidationInfo) -> timedelta:
        if value > info.data.get("done", value):
            raise ValueError("longer than `done`: what is done goes by then in any case")
        return value


class LogSection(Section):
    """How much is logged. No level logs identity."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
