"""Secrets come from the environment or from files of their own, never from ``node.yaml``."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from dicom_node.errors import Misconfigured
from dicom_node.yamlfile import Document


def refuse_passwords(document: Document, prefix: str) -> None:
    """Look for secrets; ``prefix`` is that of the variables in which they belong.

    Raises:
        Misconfigured: one was found; it is not repeated.
    """
    for section, key in (("orthanc", "password"), ("tls", "passphrase")):
        if _given(document, section, key):
            raise Misconfigured(
                f"{document.where((section, key))}: {section}.{key}: set "
                f"{prefix}{section.upper()}__{key.upper()} instead"
            )
    for section in ("ledger", "broker"):
        if _holds_password(_given(document, section, "url")):
            raise Misconfigured(
                f"{document.where((section, 'url'))}: {section}.url holds a password; set "
                f"{prefix}{section.upper()}__URL or /run/secrets/"
                f"{prefix.lower()}{section}__url instead"
            )


def _given(document: Document, section: str, key: str) -> str:
    found = document.data.get(section)
    return str(found.get(key) or "") if isinstance(found, dict) else ""


def _holds_password(url: str) -> bool:
    """Before the host (``//user:secret@``) or as a parameter."""
    try:
        parts = urlsplit(url)
    except ValueError:  # what is between the brackets of a host or password is no address
        return "@" in url
    return bool(parts.password) or "password" in parse_qs(parts.query)
