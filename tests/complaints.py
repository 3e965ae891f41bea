"""What dciodvfy has against an object of ours, less what is known or came with the film."""

from __future__ import annotations

from pathlib import Path

from peers import dciodvfy

_KNOWN = (
    # Its tables have no Device UID in Contributing Equipment (PS3.3 C.12.1).
    "(0x0018,0x1002) UI Device UID",
    "this is a Standard Extended SOP Class",
    # Of a film that does not say which part of the body it shows it is unknown.
    "is only permitted to be empty when actually unknown",
)


def of(path: Path, film: Path) -> list[str]:
    """Errors and warnings on an object that it does not also have on its film: whose it is stands
    in both, byte by byte.
    """
    of_film = set(dciodvfy(film))
    return [
        line
        for line in dciodvfy(path)
        if line.startswith(("Error", "Warning"))
        and line not in of_film
        and not any(known in line for known in _KNOWN)
    ]
