"""TLS for DICOM by the profile of BCP 195 with RFC 8996 and RFC 9325 (PS3.15 B.12).

TLS 1.2 with the suites that RFC 9325 4.2 recommends, TLS 1.3 with those it has; both sides show a
certificate; no compression, no renegotiation, no tickets. Files are in PEM.
"""

from __future__ import annotations

import hashlib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dicom_node.errors import Misconfigured

SUITES = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
#: Orchestrators put secrets here, readable by all, in a container in which nobody else is.
_SECRETS = Path("/run/secrets")
_OTHERS_MAY_READ = 0o004
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which ssl has no name for
_ROUNDS = 4  # of a handshake that nobody delays

_UNTRUSTED = {18, 19, 20, 21}  # X509_V_ERR_*: no chain to an authority that is known
_WHY = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "UNSUPPORTED_PROTOCOL": "it speaks neither TLS 1.2 nor 1.3",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks neither TLS 1.2 nor 1.3",
    "NO_SHARED_CIPHER": "it offers no cipher suite of the profile",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "it does not speak TLS",
    "HTTPS_PROXY_REQUEST": "it does not speak TLS",
    "RECORD_LAYER_FAILURE": "it does not speak TLS",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What this side shows, and whose certificates it believes: those of ``authority``, a file of
    one or several. Without ``certificate`` it shows nothing.
    """

    authority: Path
    certificate: Path | None = None
    key: Path | None = None
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Secured:
    """How a peer is called by TLS. ``server_name`` is what its certificate has to name; empty: any
    that the authority has signed.
    """

    credentials: Credentials
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Whom a certificate names (common name, DNS names), its SHA-256 in hex, and until when."""

    names: tuple[str, ...]
    fingerprint: str
    until: datetime


def server_context(credentials: Credentials, *, ask: bool = True) -> ssl.SSLContext:
    """For the side that is called; unless ``ask``, callers need not show a certificate.

    Raises:
        Misconfigured: a file is missing or cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED if ask else ssl.CERT_NONE
    # A session that is taken up again would be one with a certificate of then.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return _profile(context, credentials)


def client_context(credentials: Credentials, *, check_name: bool = True) -> ssl.SSLContext:
    """For the side that calls.

    Raises:
        Misconfigured: a file is missing or cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_name
    return _profile(context, credentials)


def inspect(credentials: Credentials, *, as_server: bool) -> Certificate | None:
    """The own certificate, once a handshake with it has worked; None when there is none.

    One that has expired is returned as well: ``until`` tells.

    Raises:
        Misconfigured: a file is missing or cannot be used, or the certificate is not for this role.
    """
    if credentials.certificate is None:
        client_context(credentials)
        return None
    # The other side believes this one certificate, at whatever time.
    believing = Credentials(authority=credentials.certificate)
    if as_server:
        client = _timeless(client_context(believing, check_name=False))
        ends = (client, server_context(credentials, ask=False))
    else:
        server = _timeless(server_context(credentials))
        server.load_verify_locations(credentials.certificate)
        ends = (client_context(credentials, check_name=False), server)
        ends[0].verify_mode = ssl.CERT_NONE
    try:
        client_end, server_end = _rehearse(*ends)
        return certificate_of(client_end if as_server else server_end)
    except ssl.SSLError as error:
        role = "to be called" if as_server else "to call others"
        raise Misconfigured(
            f"{credentials.certificate}: no certificate {role} with: {why(error)}"
        ) from None


def certificate_of(connection: ssl.SSLSocket | ssl.SSLObject) -> Certificate | None:
    """What the other side has shown and could prove; None when it was not asked."""
    shown: Any = connection.getpeercert()
    encoded = connection.getpeercert(binary_form=True)
    if not shown or encoded is None:
        return None
    subject = [value for part in shown["subject"] for key, value in part if key == "commonName"]
    others = [value for key, value in shown.get("subjectAltName", ()) if key == "DNS"]
    return Certificate(
        names=tuple(dict.fromkeys([*subject, *others])),
        fingerprint=hashlib.sha256(encoded).hexdigest(),
        until=datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC),
    )


def why(error: OSError) -> str:
    """What to tell of a connection that TLS ended, of the other side, in words of no library."""
    if isinstance(error, ssl.SSLCertVerificationError):
        told = f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
        untrusted = error.verify_code in _UNTRUSTED
        return f"{told}; is who signed it in `authority`?" if untrusted else told
    reason = str(getattr(error, "reason", None) or "")
    if reason in _WHY:
        return _WHY[reason]
    _, alert, said = reason.partition("_ALERT_")
    if alert:  # what the other side says of us
        return f"it ends the TLS handshake: {_words(said)}"
    if isinstance(error, TimeoutError):
        return "it did not go on in time"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError | ConnectionError):
        return "it closed the connection"
    return f"its TLS cannot be used: {_words(reason)}" if reason else str(error.strerror or error)


def _profile(context: ssl.SSLContext, credentials: Credentials) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(SUITES))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # A peer's own certificate may stand in the file, without who signed it.
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    _readable(credentials.authority)
    try:
        context.load_verify_locations(credentials.authority)
    except ssl.SSLError:
        raise Misconfigured(f"{credentials.authority}: holds no certificate in PEM") from None
    if credentials.certificate is not None:
        _show(context, credentials, credentials.certificate, credentials.key)
    return context


def _show(
    context: ssl.SSLContext, credentials: Credentials, certificate: Path, key: Path | None
) -> None:
    if key is None:
        raise Misconfigured(f"{certificate}: a certificate needs its `key`")
    text = _readable(key)
    _readable(certificate)
    others = key.stat().st_mode & _OTHERS_MAY_READ
    if others and not key.is_relative_to(_SECRETS):
        raise Misconfigured(f"{key}: everybody may read this key; chmod o-rwx {key}")
    if b"ENCRYPTED" in text and not credentials.passphrase:
        raise Misconfigured(
            f"{key}: is encrypted; its passphrase is set by DICOM_NODE_TLS__PASSPHRASE"
        )
    try:
        # A function, or OpenSSL would ask at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: credentials.passphrase)
    except ssl.SSLError as error:
        raise Misconfigured(f"{key}: {_unusable(error, text)}") from None


def _unusable(error: ssl.SSLError, key: bytes) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "is not the key of the certificate"
    if error.reason and not error.reason.startswith("PEM"):
        return f"key and certificate cannot be used: {_words(error.reason)}"
    if b"ENCRYPTED" in key:
        return "the passphrase does not open it"
    return "key or certificate is not in PEM"


def _words(reason: str) -> str:
    return reason.replace("_", " ").lower()


def _readable(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Misconfigured(f"{path}: {error.strerror}") from None


def _timeless(context: ssl.SSLContext) -> ssl.SSLContext:
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


def _rehearse(
    client: ssl.SSLContext, server: ssl.SSLContext
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A handshake within this process."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(to_client, to_server)
    called = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_ROUNDS):
        for end in (calling, called):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return calling, called
