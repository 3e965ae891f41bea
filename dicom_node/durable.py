"""Files that survive a loss of power: flushed before they have a name, and named for good."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def flush(path: Path) -> None:
    """Bring a file's bytes, or a folder's names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are not there yet."""
    if not folder.exists():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        flush(folder.parent)


def write(path: Path, content: bytes, *, replace: bool = True) -> bool:
    """Write a file whole or not at all: aside, flushed, then named.

    Without ``replace`` a file that is there stays as it is; returns whether this one was written.
    """
    make_folder(path.parent)
    # Of no other writer's name: edges in containers have the same process id.
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        with aside.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            aside.replace(path)
        else:
            os.link(aside, path)
    except FileExistsError:
        return False
    finally:
        aside.unlink(missing_ok=True)
    flush(path.parent)
    return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One thread or program at a time is in this folder; whoever comes later waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
