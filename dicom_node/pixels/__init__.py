"""From stored pixels to the picture that a film is meant to be looked at (docs/pixels.md)."""

from __future__ import annotations

from dicom_node.pixels.film import pixel_digest, read_frame

__all__ = ["pixel_digest", "read_frame"]
