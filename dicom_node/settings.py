"""This site's settings: ``node.yaml``, overridden by the environment, over the defaults here.

Read once at the top of a program and passed down. An environment variable is named
``DICOM_NODE_`` and the place in the file with ``__`` between the parts
(``DICOM_NODE_BROKER__URL``); a file of that name in ``/run/secrets`` does the same for secrets.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dicom_node import yamlfile
from dicom_node.errors import Misconfigured
from dicom_node.peer import Peer
from dicom_node.profile_section import ProfileSection, SeriesSection, series
from dicom_node.profiles import PROFILES, SERIES, Profile, Series

ENVIRONMENT_PREFIX = "DICOM_NODE_"
_SECRETS = Path("/run/secrets")
_NAME = r"^[a-z0-9-]{1,32}$"
_MAXIMUM_AE_TITLE = 16  # PS3.5 Table 6.2-1, AE


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


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Network = Annotated[str, AfterValidator(_network)]
Port = Annotated[int, Field(ge=1, le=65535)]
Seconds = Annotated[float, Field(gt=0)]
Days = Annotated[float, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(_Section):
    """Who this node is, and where it keeps what it receives."""

    ae_title: AeTitle = "DICOMNODE"
    host: str = "127.0.0.1"
    port: Port = 11112
    data: Path = Path("dicom-node-data")


class ReceiveSection(_Section):
    """Who may send, and how much at once."""

    calling_ae_titles: tuple[AeTitle, ...] = ()
    addresses: tuple[Network, ...] = ()
    maximum_associations: Annotated[int, Field(ge=1)] = 50
    maximum_associations_per_sender: Annotated[int, Field(ge=1)] = 25
    maximum_pdu_bytes: Annotated[int, Field(ge=4096)] = 262144
    association_seconds: Seconds = 30
    message_seconds: Seconds = 60
    idle_seconds: Seconds = 60
    disk_reserve_megabytes: Annotated[int, Field(ge=0)] = 1024


class CompletionSection(_Section):
    """When a study counts as complete."""

    quiet_seconds: Seconds = 30
    ceiling_seconds: Seconds = 3600
    announced_seconds: Seconds = 2
    ask_archive: bool = True
    count_seconds: Seconds = 300
    edge_lease_seconds: Seconds = 30


class LedgerSection(_Section):
    """The database that holds the truth; empty: SQLite in the data folder."""

    url: str = ""


class BrokerSection(_Section):
    """What wakes the workers; empty: files in the data folder, no server needed."""

    url: str = ""


class PeerSection(_Section):
    """A DICOM application on the network."""

    ae_title: AeTitle
    host: str
    port: Port
    timeout_seconds: Seconds = 30


class ArchiveSection(PeerSection):
    """Where earlier studies are looked for."""

    protocol: str = "dimse"
    retrieve: Literal["c-get", "c-move"] = "c-get"


class DestinationSection(PeerSection):
    """Where results go. ``test`` says that no patient's care depends on it."""

    name: Annotated[str, Field(pattern=_NAME)]
    test: bool = False
    verify: Literal["query", "none"] = "query"
    profile: str = "air"
    orthanc: Annotated[str, Field(pattern=r"^(https?://[^@]+)?$")] = ""


class OrthancSection(_Section):
    """As whom to delete what was withdrawn, at destinations that name an Orthanc's REST API."""

    user: str = ""
    password: Annotated[str, Field(repr=False)] = ""


class DeliverySection(_Section):
    """How long to try when a destination is away."""

    first_retry_seconds: Seconds = 10
    longest_retry_seconds: Seconds = 900
    give_up_days: Days = 7


class EngineSection(_Section):
    """What answers. ``model`` is a local folder or a hub id; a hub id needs ``revision``."""

    name: str = "demonstration"
    model: str = ""
    revision: str = ""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    max_new_tokens: Annotated[int, Field(ge=16)] = 512
    threads: Annotated[int, Field(ge=1)] | None = None


class LimitsSection(_Section):
    """Bounds on one study's work; leases and Celery's timeouts are derived from them."""

    reading_seconds: Seconds = 600
    prior_wait_seconds: Seconds = 120
    attempts: Annotated[int, Field(ge=1)] = 3
    sweep_seconds: Seconds = 2
    routine_wait_seconds: Seconds = 1800


class RetentionSection(_Section):
    """How long received files are kept once a study has ended, and what withdrawing needs."""

    done_days: Days = 7
    refused_days: Days = 7
    failed_days: Days = 30
    correctable_days: Days = 365


class LogSection(_Section):
    """How much is logged. No level logs identity."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(BaseSettings):
    """Everything in ``node.yaml``. Paths are taken from the folder of the file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    node: NodeSection = NodeSection()
    receive: ReceiveSection = ReceiveSection()
    completion: CompletionSection = CompletionSection()
    ledger: LedgerSection = LedgerSection()
    broker: BrokerSection = BrokerSection()
    archive: ArchiveSection | None = None
    destinations: tuple[DestinationSection, ...] = ()
    profiles: dict[Annotated[str, Field(pattern=_NAME)], ProfileSection] = {}
    series: dict[str, SeriesSection] = {}
    #: The site has its own authorisation for clinical use; see the licence of the model.
    release: bool = False
    delivery: DeliverySection = DeliverySection()
    orthanc: OrthancSection = OrthancSection()
    engine: EngineSection = EngineSection()
    limits: LimitsSection = LimitsSection()
    retention: RetentionSection = RetentionSection()
    log: LogSection = LogSection()
    rules: Path = Path("rules.yaml")
    findings: Path = Path("findings.yaml")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings gives it
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - we read no .env
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over secret files over the YAML file (which :func:`load` passes as init)."""
        secrets = NestedSecretsSettingsSource(
            file_secret_settings, secrets_dir=_SECRETS, secrets_dir_missing="ok"
        )
        return env_settings, secrets, init_settings

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) < len(names):
            raise ValueError("two destinations have the same name")
        return self

    @model_validator(mode="after")
    def _profiles_are_known(self) -> Self:
        for name in self.profiles:
            if name in PROFILES:
                raise ValueError(f"profiles: `{name}` ships with the node; give yours another name")
        for name in self.series:
            if name not in SERIES:
                raise ValueError(f"series: {yamlfile.unknown(name, SERIES)}")
        for one in self.destinations:
            self.profile(one.profile)
        return self

    def profile(self, name: str) -> Profile:
        """The profile of this name, the site's own or one that ships.

        Raises:
            ValueError: there is none.
        """
        if name in self.profiles:
            return self.profiles[name].profile
        if name not in PROFILES:
            raise ValueError(f"profile: {yamlfile.unknown(name, [*PROFILES, *self.profiles])}")
        return PROFILES[name]

    @property
    def result_series(self) -> Mapping[str, Series]:
        """Number and description of the series of each kind of object."""
        return series(self.series)

    @property
    def ledger_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.ledger.url or f"sqlite:///{self.node.data / 'ledger.sqlite3'}"

    def peer(self, name: str, section: PeerSection) -> Peer:
        """A configured application as the network code takes it."""
        return Peer(
            name=name,
            ae_title=section.ae_title,
            host=section.host,
            port=section.port,
            calling_ae_title=self.node.ae_title,
            timeout_seconds=section.timeout_seconds,
        )


def load(path: Path) -> Settings:
    """The settings of a file, overridden by the environment.

    Raises:
        Misconfigured: one line a fault, with file and line or the name of the variable.
    """
    document = yamlfile.read(path)
    _refuse_passwords(document)
    _refuse_unknown_variables()
    try:
        settings = Settings(**document.data)
    except SettingsError as error:  # its text ends with the name of the section
        section = str(error).split('"')[1].upper()
        raise Misconfigured(
            f"environment variable {ENVIRONMENT_PREFIX}{section}: not JSON; set single keys "
            f"instead, for example {ENVIRONMENT_PREFIX}{section}__KEY"
        ) from None
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(error, document))) from None
    folder = path.resolve().parent
    return settings.model_copy(
        update={
            "rules": (folder / settings.rules).resolve(),
            "findings": (folder / settings.findings).resolve(),
            "node": settings.node.model_copy(
                update={"data": (folder / settings.node.data).resolve()}
            ),
        }
    )


def _explain(error: ValidationError, document: yamlfile.Document) -> list[str]:
    lines = []
    told = yamlfile.explain(error, Settings, document)
    for fault, line in zip(yamlfile.faults(error), told, strict=True):
        variable = ENVIRONMENT_PREFIX + "__".join(map(str, fault["loc"])).upper()
        from_environment = f"environment variable {variable}: {line.split(': ', 2)[-1]}"
        lines.append(from_environment if variable in os.environ else line)
    return lines


def _refuse_unknown_variables() -> None:
    """A misspelt variable would otherwise be ignored in silence."""
    for name in os.environ:
        if name.startswith(ENVIRONMENT_PREFIX):
            section = name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
            if section not in Settings.model_fields:
                raise Misconfigured(
                    f"environment variable {name}: no section `{section}`; "
                    f"valid sections: {', '.join(Settings.model_fields)}"
                )


def _refuse_passwords(document: yamlfile.Document) -> None:
    """Secrets come from the environment or from files, never from ``node.yaml``."""
    if (document.data.get("orthanc") or {}).get("password"):
        raise Misconfigured(
            f"{document.where(('orthanc', 'password'))}: orthanc.password: set "
            f"{ENVIRONMENT_PREFIX}ORTHANC__PASSWORD instead"
        )
    for section in ("ledger", "broker"):
        given = document.data.get(section)
        url = given.get("url") or "" if isinstance(given, dict) else ""
        if _holds_password(str(url)):
            raise Misconfigured(
                f"{document.where((section, 'url'))}: {section}.url holds a password; set "
                f"{ENVIRONMENT_PREFIX}{section.upper()}__URL or /run/secrets/"
                f"{ENVIRONMENT_PREFIX.lower()}{section}__url instead"
            )


def _holds_password(url: str) -> bool:
    """Before the host (``//user:secret@``) or as a parameter."""
    try:
        parts = urlsplit(url)
    except ValueError:  # what is between the brackets of a host or password is no address
        return "@" in url
    return bool(parts.password) or "password" in parse_qs(parts.query)
