"""Where earlier studies are found and fetched: one file a protocol, one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from dicom_node.archives.base import Archive, FoundSeries, FoundStudy, finds_one_patient
from dicom_node.archives.dimse import DimseArchive
from dicom_node.peer import Peer

__all__ = ["ARCHIVES", "Archive", "FoundSeries", "FoundStudy", "finds_one_patient"]

#: Each makes an archive of a peer and of how to retrieve from it (``c-get`` or ``c-move``).
ARCHIVES: Mapping[str, Callable[[Peer, str], Archive]] = MappingProxyType({"dimse": DimseArchive})
