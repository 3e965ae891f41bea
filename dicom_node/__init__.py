"""The DICOM side: everything that knows the standard or the network. No torch."""

__version__ = "0.1.0"
