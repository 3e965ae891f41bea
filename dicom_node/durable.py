"""Files that survive a loss of power: flushed before they have a name, and named for good."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

#: What a disk says, one behind a network too, and no bug of this program brings about. EBADMSG and
#: EUCLEAN: of ext4 and XFS, that it is corrupt. EHOSTDOWN and ETIMEDOUT: of CIFS and NFS.
OF_A_DISK = frozenset(
    {
        errno.EBADMSG,
        errno.EDQUOT,
        errno.EHOSTDOWN,
        errno.EIO,
        errno.ENODEV,
        errno.ENOSPC,
        errno.ENOTCONN,
        errno.ENXIO,
        errno.EROFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
        errno.EUCLEAN,
    }
)
#: Where a disk has a limit of files, each that can still be made counts as so much room.
_BYTES_A_FILE = 1024**2
_LOOKING = threading.Lock()
TOO_LITTLE = "too little room would be left on the disk (receive.disk_reserve)"


def free_bytes(folder: Path) -> int:
    """Room left on the disk of a folder. A disk may run out of files (inodes) before it runs out
    of bytes; a study takes some of them.
    """
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    return min(free, disk.f_favail * _BYTES_A_FILE) if disk.f_files else free


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


def write(path: Path, content: bytes, *, replace: bool = True, least_free: int = 0) -> bool:
    """Write a file whole or not at all: aside, flushed, then named.

    Without ``replace`` a file that is there stays as it is; returns whether this one was written.

    Raises:
        OSError: the disk does not take it, or would have less than ``least_free`` bytes left.
    """
    make_folder(path.parent)
    unnamed = aside(path)
    try:
        # One at a time: each looks at what the others have left.
        with _LOOKING if least_free else nullcontext(), unnamed.open("xb") as file:
            if least_free and free_bytes(path.parent) - len(content) < least_free:
                raise OSError(errno.ENOSPC, TOO_LITTLE)
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
