"""Files that survive a loss of power: flushed before they have a name, and named for good."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: What a disk says, one behind a network too, and no bug of this program brings about.
OF_A_DISK = frozenset(
    {
        errno.EDQUOT,
        errno.EIO,
        errno.ENODEV,
        errno.ENOSPC,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.EROFS,
        errno.ESTALE,
    }
)


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


def aside(path: Path) -> Path:
    """Where a file lies before it has its name: beside it, under no other writer's name."""
    # Not the process id: edges in containers have the same.
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")


def write(path: Path, content: bytes, *, replace: bool = True) -> bool:
    """Write a file whole or not at all: aside, flushed, then named.

    Without ``replace`` a file that is there stays as it is; returns whether this one was written.
    """
    make_folder(path.parent)
    unnamed = aside(path)
    try:
        with unnamed.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            unnamed.replace(path)
        else:
            os.link(unnamed, path)
    except FileExistsError:
        return False
    finally:
        unnamed.unlink(missing_ok=True)
    flush(path.parent)
    return True


def version(path: Path) -> object:
    """Another one once a file was replaced, though by the same bytes.

    Raises:
        OSError: it is not there.
    """
    found = path.stat()  # the number may be given to a later file
    return found.st_ino, found.st_mtime_ns


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One thread or program at a time is in this folder; whoever comes later waits."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
