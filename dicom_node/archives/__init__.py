"""Where earlier studies are found and fetched: one file a protocol, one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from dicom_node.archives.base import Archive, FoundSeries, FoundStudy, finds_one_patient
from dicom_node.archives.dimse import DimseArchive
from dicom_node.peer import Peer

__all__ = ["ARCHIVES", "Archive", "FoundSeries", "FoundStudy", "finds_one_patient"]


class Maker(Protocol):
    """Makes an archive of a peer, of how to retrieve from it (``c-get`` or ``c-move``), and of how
    many bytes what is retrieved leaves free on the disk.
    """

    def __call__(self, peer: Peer, retrieve: str, least_free: int = 0) -> Archive: ...


ARCHIVES: Mapping[str, Maker] = MappingProxyType({"dimse": DimseArchive})
