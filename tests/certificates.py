"""An authority and its certificates, made by openssl for one test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from peers import call, need

from dicom_node.tls import Credentials

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Authority:
    """Who signs, in a folder of its own."""

    folder: Path
    certificate: Path

    def sign(self, name: str, *, expired: bool = False, more: tuple[str, ...] = ()) -> Credentials:
        """A certificate for ``name``, ``localhost`` and 127.0.0.1, and its key."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        request = self.folder / f"{name}.csr"
        names = f"subjectAltName=DNS:{name},DNS:localhost,IP:127.0.0.1"
        asked = ("-subj", f"/CN={name}", "-addext", names, *more)
        _openssl("req", *_KEY, *asked, "-keyout", key, "-out", request)
        _openssl(
            "x509", "-req", "-in", request, "-out", certificate, "-CA", self.certificate,
            "-CAkey", self.folder / "authority.key", "-CAcreateserial",
            "-copy_extensions", "copyall", "-days", -1 if expired else 825,
        )  # fmt: skip
        return Credentials(self.certificate, certificate, key)


def authority(folder: Path, name: str = "Trial authority") -> Authority:
    """A new one."""
    folder.mkdir(parents=True)
    certificate = folder / "authority.crt"
    _openssl(
        "req", "-x509", *_KEY, "-days", 3650, "-subj", f"/CN={name}",
        "-keyout", folder / "authority.key", "-out", certificate,
    )  # fmt: skip
    return Authority(folder, certificate)


def _openssl(*arguments: object) -> None:
    call(need("openssl", "openssl"), *arguments)
