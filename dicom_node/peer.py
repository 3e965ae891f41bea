"""How to reach one DICOM application on the network."""

from __future__ import annotations

from dataclasses import dataclass

from dicom_node.tls import Secured


@dataclass(frozen=True, slots=True)
class Peer:
    """A remote application entity, and the title we call it by (PS3.8 9.3.2).

    ``name`` is what the configuration calls it and the only part that is logged.
    ``timeout_seconds`` bounds connecting, association and each message. Without ``tls``
    it is called in plain.
    """

    name: str
    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    timeout_seconds: float = 30.0
    tls: Secured | None = None
