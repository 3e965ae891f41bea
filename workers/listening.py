"""The ports of this node: whether they can be listened on, and why not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

from dicom_node.settings import Settings


def ports(settings: Settings) -> Iterator[tuple[str, int]]:
    """Each port with its key in ``node.yaml``."""
    if not settings.tls.only:
        yield "node.port", settings.node.port
    if settings.tls.port is not None:
        yield "tls.port", settings.tls.port


def attempt(host: str, port: int) -> None:
    """Take a port as the edge does, and give it back.

    Raises:
        OSError: it cannot be had; EADDRINUSE where somebody listens there.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, *_, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    with socket.socket(family) as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tried.bind(address)


def why_not(error: OSError, key: str) -> str:
    """What is wrong, in words, and which key to look at."""
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        hint = "node.host has to be an address of this machine, or 0.0.0.0 for all"
    elif error.errno == errno.EADDRINUSE:
        hint = f"is another dicom-node running? else change {key}"
    elif error.errno == errno.EACCES:
        hint = f"ports below 1024 are not for every user; change {key}"
    else:
        hint = f"look at node.host and {key}"
    return f"{error.strerror}; {hint}"
