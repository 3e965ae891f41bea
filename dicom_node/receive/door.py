"""Whom to let in: which associations are accepted, and the reason that the others are told."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from dicom_node.spool import Spool


@dataclass(frozen=True, slots=True)
class Rejection:
    """Result, Source and Reason/Diag. of an A-ASSOCIATE-RJ (PS3.8 Table 9-21), and what to log."""

    result: int
    source: int
    diagnostic: int
    why: str


_PERMANENT, _TRANSIENT = 1, 2
_SERVICE_USER, _PRESENTATION = 1, 3
_CALLING_NOT_RECOGNIZED, _CALLED_NOT_RECOGNIZED = 3, 7  # of the service user
_TEMPORARY_CONGESTION, _LOCAL_LIMIT = 1, 2  # of the presentation provider


@dataclass(frozen=True, slots=True)
class Door:
    """Who may send here. No titles and no addresses: anybody, but from this machine only."""

    ae_title: str
    calling_ae_titles: tuple[str, ...]
    addresses: tuple[str, ...]
    maximum_associations: int
    reserve_bytes: int

    def rejection(
        self, *, called: str, calling: str, address: str, open_associations: int, spool: Spool
    ) -> Rejection | None:
        """Why an association is not accepted; None when it is."""
        if called.strip() != self.ae_title:
            why = f"it called {called.strip()!r}, this node is {self.ae_title!r}"
            return Rejection(_PERMANENT, _SERVICE_USER, _CALLED_NOT_RECOGNIZED, why)
        if why := self._stranger(calling.strip(), address):
            return Rejection(_PERMANENT, _SERVICE_USER, _CALLING_NOT_RECOGNIZED, why)
        if self.is_full(spool):
            why = "less is free on the disk than receive.disk_reserve_megabytes"
            return Rejection(_TRANSIENT, _PRESENTATION, _TEMPORARY_CONGESTION, why)
        if open_associations > self.maximum_associations:
            why = "receive.maximum_associations are open"
            return Rejection(_TRANSIENT, _PRESENTATION, _LOCAL_LIMIT, why)
        return None

    def is_full(self, spool: Spool) -> bool:
        """Whether the disk is below the reserve."""
        return spool.free_bytes() < self.reserve_bytes

    def _stranger(self, calling: str, address: str) -> str:
        if not self.calling_ae_titles and not self.addresses:
            if ipaddress.ip_address(address).is_loopback:
                return ""
            return f"{calling!r} is on another machine; add it to receive.calling_ae_titles"
        if self.calling_ae_titles and calling not in self.calling_ae_titles:
            return f"{calling!r} is not in receive.calling_ae_titles"
        caller = ipaddress.ip_address(address)
        networks = map(ipaddress.ip_network, self.addresses)
        if self.addresses and not any(caller in network for network in networks):
            return f"{calling!r} calls from an address that is not in receive.addresses"
        return ""
