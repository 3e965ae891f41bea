"""This site's settings: ``node.yaml``, overridden by the environment, over the defaults here.

Read once at the top of a program and passed down. An environment variable is named
``DICOM_NODE_`` and the place in the file with ``__`` between the parts
(``DICOM_NODE_BROKER__URL``); a file of that name in ``/run/secrets`` does the same for secrets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dicom_node import yamlfile
from dicom_node.errors import Misconfigured
from dicom_node.passwords import refuse_passwords
from dicom_node.peer import Peer
from dicom_node.profile_section import ProfileSection, SeriesSection, series
from dicom_node.profiles import PROFILES, SERIES, Profile, Series
from dicom_node.sections import (
    NAME,
    ArchiveSection,
    BrokerSection,
    CompletionSection,
    DeliverySection,
    DestinationSection,
    EngineSection,
    LedgerSection,
    LimitsSection,
    LogSection,
    NodeSection,
    OrthancSection,
    OwnTlsSection,
    PeerSection,
    ReceiveSection,
    RetentionSection,
    TlsSection,
)
from dicom_node.tls import Credentials, Secured
from dicom_node.yamlfile import Misplaced, Place

ENVIRONMENT_PREFIX = "DICOM_NODE_"
_SECRETS = Path("/run/secrets")
_P = TypeVar("_P", bound=PeerSection)
_T = TypeVar("_T", bound=OwnTlsSection)


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
    tls: TlsSection = TlsSection()
    archive: ArchiveSection | None = None
    destinations: tuple[DestinationSection, ...] = ()
    profiles: dict[Annotated[str, Field(pattern=NAME)], ProfileSection] = {}
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
        for index, name in enumerate(names):
            if name in names[:index]:
                place = ("destinations", index, "name")
                raise Misplaced(place, f"another destination is named `{name}` too")
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        if self.tls.port == self.node.port and not self.tls.only:
            raise Misplaced(("tls", "port"), "is node.port too; each needs one of its own")
        return self

    @model_validator(mode="after")
    def _authorities_are_named(self) -> Self:
        for place, one in self._called():
            try:
                self._secured(one)
            except ValueError as error:
                raise Misplaced((*place, "tls"), str(error)) from None
        return self

    @model_validator(mode="after")
    def _profiles_are_known(self) -> Self:
        for name in self.profiles:
            if name in PROFILES:
                raise Misplaced(
                    ("profiles", name), f"`{name}` ships with the node; give yours another name"
                )
        for name in self.series:
            if name not in SERIES:
                raise Misplaced(("series", name), yamlfile.unknown(name, SERIES))
        for index, one in enumerate(self.destinations):
            try:
                self.profile(one.profile)
            except ValueError as error:
                raise Misplaced(("destinations", index, "profile"), str(error)) from None
        return self

    def profile(self, name: str) -> Profile:
        """The profile of this name, the site's own or one that ships.

        Raises:
            ValueError: there is none.
        """
        if name in self.profiles:
            return self.profiles[name].profile
        if name not in PROFILES:
            raise ValueError(yamlfile.unknown(name, [*PROFILES, *self.profiles]))
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
            tls=self._secured(section),
        )

    @property
    def credentials(self) -> Credentials | None:
        """What this node shows at its own port for TLS; None when it has no such port."""
        own = self.tls
        if own.port is None or own.authority is None:
            return None
        return Credentials(own.authority, own.certificate, own.key, own.passphrase)

    @property
    def calling_credentials(self) -> frozenset[Credentials]:
        """What this node shows to those that it calls by TLS."""
        called = (self._secured(one) for _, one in self._called())
        return frozenset(one.credentials for one in called if one is not None)

    def _called(self) -> Iterator[tuple[Place, PeerSection]]:
        """All peers that this node calls, each with its place in the file."""
        if self.archive is not None:
            yield ("archive",), self.archive
        for index, one in enumerate(self.destinations):
            yield ("destinations", index), one

    def _secured(self, section: PeerSection) -> Secured | None:
        its, own = section.tls, self.tls
        if its is None:
            return None
        authority = its.authority or own.authority
        if authority is None:
            raise ValueError("needs an `authority`, here or in the section `tls`")
        shown = its if its.certificate else own
        credentials = Credentials(authority, shown.certificate, shown.key, own.passphrase)
        return Secured(credentials, (its.name or section.host) if its.check_name else "")


def load(path: Path) -> Settings:
    """The settings of a file, overridden by the environment.

    Raises:
        Misconfigured: one line a fault, with file and line or the name of the variable.
    """
    if path.is_dir():
        raise Misconfigured(f"{path}: is a folder; name the file: {path / 'node.yaml'}")
    if not path.exists():
        raise Misconfigured(
            f"{path}: no such file; name yours with -c, or `dicom-node init FOLDER` writes a "
            "commented one"
        )
    document = yamlfile.read(path)
    refuse_passwords(document, ENVIRONMENT_PREFIX)
    _refuse_unknown_variables()
    try:
        settings = Settings(**{str(key): value for key, value in document.data.items()})
    except SettingsError as error:  # its text ends with the name of the section
        section = str(error).split('"')[1].upper()
        raise Misconfigured(
            f"environment variable {ENVIRONMENT_PREFIX}{section}: not JSON; set single keys "
            f"instead, for example {ENVIRONMENT_PREFIX}{section}__KEY"
        ) from None
    except ValidationError as error:
        raise Misconfigured("\n".join(_explain(error, document))) from None
    folder = path.resolve().parent
    authority = settings.broker.authority and (folder / settings.broker.authority).resolve()
    archive = settings.archive and _called_from(folder, settings.archive)
    return settings.model_copy(
        update={
            "tls": _files_from(folder, settings.tls),
            "archive": archive,
            "broker": settings.broker.model_copy(update={"authority": authority}),
            "destinations": tuple(_called_from(folder, one) for one in settings.destinations),
            "rules": (folder / settings.rules).resolve(),
            "findings": (folder / settings.findings).resolve(),
            "node": settings.node.model_copy(
                update={"data": (folder / settings.node.data).resolve()}
            ),
        }
    )


def _called_from(folder: Path, peer: _P) -> _P:
    return peer.model_copy(update={"tls": peer.tls and _files_from(folder, peer.tls)})


def _files_from(folder: Path, section: _T) -> _T:
    files = {name: getattr(section, name) for name in ("certificate", "key", "authority")}
    return section.model_copy(
        update={name: (folder / file).resolve() for name, file in files.items() if file}
    )


def _explain(error: ValidationError, document: yamlfile.Document) -> list[str]:
    lines = []
    told = yamlfile.explain(error, Settings, document)
    for fault, line in zip(yamlfile.faults(error), told, strict=True):
        variable = ENVIRONMENT_PREFIX + "__".join(map(str, yamlfile.place_of(fault))).upper()
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
