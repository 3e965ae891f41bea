"""Whom to let in: which associations are accepted, and the reason that the others are told."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
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

#: A bug of this node, of which the log has the trace; the caller may try again.
OUT_OF_ORDER = Rejection(_TRANSIENT, _PRESENTATION, _TEMPORARY_CONGESTION, "a bug of this node")


def unknown_caller(why: str) -> Rejection:
    """For good: who calls is not known here."""
    return Rejection(_PERMANENT, _SERVICE_USER, _CALLING_NOT_RECOGNIZED, why)


@dataclass(frozen=True, slots=True)
class Door:
    """Who may send here. No titles and no addresses: anybody, but from this machine only."""

    ae_title: str
    calling_ae_titles: tuple[str, ...]
    addresses: tuple[str, ...]
    maximum_associations: int
    maximum_per_sender: int
    reserve_bytes: int
    #: With less free than ``low_bytes`` room is asked for; who is asked must return at once.
    low_bytes: int = 0
    ask_for_room: Callable[[], None] = lambda: None

    def stranger(self, *, called: str, calling: str, address: str) -> Rejection | None:
        """Why somebody is not to come in at all; None when they are known here."""
        if called.strip() != self.ae_title:
            why = f"it called {called.strip()!r}, this node is {self.ae_title!r} (node.ae_title)"
            return Rejection(_PERMANENT, _SERVICE_USER, _CALLED_NOT_RECOGNIZED, why)
        if why := self._unknown(calling.strip(), address):
            return unknown_caller(why)
        return None

    def no_room(self, spool: Spool, in_all: int, of_sender: int) -> Rejection | None:
        """Why nobody else is let in for now, when so many are in; None when there is room."""
        if self.is_full(spool):
            why = "less is free on the disk than receive.disk_reserve"
            return Rejection(_TRANSIENT, _PRESENTATION, _TEMPORARY_CONGESTION, why)
        if in_all >= self.maximum_associations:
            why = f"{in_all} are open (receive.maximum_associations)"
            return Rejection(_TRANSIENT, _PRESENTATION, _LOCAL_LIMIT, why)
        if of_sender >= self.maximum_per_sender:
            why = f"{of_sender} of it are open (receive.maximum_associations_per_sender)"
            return Rejection(_TRANSIENT, _PRESENTATION, _LOCAL_LIMIT, why)
        return None

    def is_full(self, spool: Spool) -> bool:
        """Whether the disk is below the reserve, or has gone.

        Asked for each association and object, so it looks at the disk and does nothing else.
        """
        try:
            free = spool.free_bytes()
        except OSError:
            return True
        if free < max(self.low_bytes, self.reserve_bytes):
            self.ask_for_room()
        return free < self.reserve_bytes

    def _unknown(self, calling: str, address: str) -> str:
        caller = _address(address)
        if not self.calling_ae_titles and not self.addresses:
            if caller.is_loopback:
                return ""
            return f"it is another machine; add {calling!r} to receive.calling_ae_titles"
        if self.calling_ae_titles and calling not in self.calling_ae_titles:
            return f"add {calling!r} to receive.calling_ae_titles"
        networks = map(ipaddress.ip_network, self.addresses)
        if self.addresses and not any(caller in network for network in networks):
            return f"add {caller} to receive.addresses"
        return ""


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as lists name it: a socket for both families has ::ffff:10.1.2.3."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
