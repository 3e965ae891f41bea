"""The files of the node: what came in, what was fetched, what was made, what was set aside.

::

    DATA/incoming/EDGE/           temporary files of objects that are still being received
    DATA/studies/STUDY_UID/       received objects, one file each, named by SOP Instance UID
    DATA/priors/STUDY_UID/        earlier studies that this node asked for
    DATA/results/JOB/DESTINATION/ objects that were made
    DATA/results/JOB/film.dcm     whose film was read, without pixels
    DATA/films/STUDY_UID/JOB      leads to it, by its study (see whose)
    DATA/quarantine/              what cannot be used, named by the SHA-256 of its bytes
    DATA/ballast                  given up when nothing is free (see retention.ballast)

Names of files and folders are UIDs, numbers and digests: none holds an identity.
"""

from __future__ import annotations

import filecmp
import hashlib
import os
import re
import shutil
import stat
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path, PurePosixPath

from pydicom.errors import InvalidDicomError

from dicom_node import durable
from dicom_node.errors import BadStudy, Unreachable
from dicom_node.partial import data_set_of, data_set_sha256

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")  # PS3.5 9.1; leading zeros of a component are tolerated
_LONGEST_UID = 64
_NAMED_FOLDERS = 10_000
_HEADER = "film.dcm"
_MARK = "patient.sha256"
#: Folders of earlier studies that are being deleted.
GONE = ".gone-"


class Filed(Enum):
    """What filing an object found in its place."""

    NEW = auto()
    IDENTICAL = auto()
    REENCODED = auto()  # in another transfer syntax: what it says is not looked into
    DIFFERENT = auto()


class Spool:
    """The data folder. All paths given out and taken in are below it."""

    def __init__(self, root: Path) -> None:
        """Make the folders where they are not there yet."""
        self.root = root
        self._filing = threading.Lock()
        self._named: set[Path] = set()  # folders of which this process knows that they will stay
        root.mkdir(mode=0o700, parents=True, exist_ok=True)  # patients lie in it
        for folder in (self.incoming, self.studies, self.priors, self.quarantine):
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def incoming(self) -> Path:
        """Where objects lie while they are received, a folder for each edge; on the same disk as
        where they end.
        """
        return self.root / "incoming"

    @property
    def studies(self) -> Path:
        """Received studies."""
        return self.root / "studies"

    @property
    def priors(self) -> Path:
        """Earlier studies that were asked for."""
        return self.root / "priors"

    @property
    def quarantine(self) -> Path:
        """What cannot be used."""
        return self.root / "quarantine"

    @property
    def is_there(self) -> bool:
        """Whether the folders are there: false while the disk that they lie on is not mounted."""
        return is_there(self.root)

    def study(self, study_instance_uid: str) -> Path:
        """The folder of a received study."""
        return self.studies / checked_uid(study_instance_uid)

    def film(self, study_instance_uid: str, sop_instance_uid: str) -> Path:
        """The file of a received object."""
        return self.study(study_instance_uid) / f"{sop_instance_uid}.dcm"

    def prior(self, study_instance_uid: str) -> Path:
        """The folder of an earlier study."""
        return self.priors / checked_uid(study_instance_uid)

    def results(self, job: int) -> Path:
        """The folder of what was made for a job."""
        return self.root / "results" / str(job)

    def header(self, job: int) -> Path:
        """The header of the film that was read, as far as a rejection note needs it."""
        return self.results(job) / _HEADER

    def jobs_with_results(self) -> list[int]:
        """The jobs of which there is a folder of what was made."""
        return [int(one.name) for one in (self.root / "results").glob("*") if one.name.isdecimal()]

    def below(self, path: Path) -> PurePosixPath:
        """A path as the ledger keeps it."""
        return PurePosixPath(path.relative_to(self.root))

    def free_bytes(self) -> int:
        """Room left on the disk."""
        return durable.free_bytes(self.root)

    def file(self, received: Path, folder: Path, sop_instance_uid: str) -> tuple[Path, Filed]:
        """Put a received file in its place so that it survives a loss of power.

        Order matters: the bytes are on disk before the name is, and the name before this returns,
        whoever gave it: who filed the same object a moment before may still be at that.
        A file that is there already is never replaced, also not by another edge.
        """
        place = folder / f"{checked_uid(sop_instance_uid)}.dcm"
        durable.flush(received)
        with self._filing:
            self._make(folder)
            try:
                os.link(received, place)  # a rename that replaces nothing, on any machine's edge
                filed = Filed.NEW
                received.unlink()
            except FileExistsError:
                filed = _compared(received, place)
        durable.flush(folder)
        return place, filed

    def file_prior(self, received: Path, study_instance_uid: str, sop_instance_uid: str) -> None:
        """Give a received file its place in an earlier study, instead of what may be there: the
        archive sent it as it is now. At no moment is there none.

        It keeps the name under which it came, too.
        """
        folder = self.prior(study_instance_uid)
        place = folder / f"{checked_uid(sop_instance_uid)}.dcm"
        aside = durable.aside(place)
        durable.flush(received)
        with self._filing:
            self._make(folder)
        try:
            os.link(received, aside)
            aside.replace(place)
        finally:
            aside.unlink(missing_ok=True)
        durable.flush(folder)

    def set_aside(self, received: Path) -> Path:
        """Put a file into quarantine; the same bytes sent again lie there once."""
        place = self.quarantine / f"{sha256(received)}.dcm"
        durable.flush(received)
        received.rename(place)
        durable.flush(self.quarantine)
        return place

    def belongs(
        self, folder: Path, patient: str, earlier: Callable[[], Iterable[str]] = tuple
    ) -> bool:
        """Whether a study's folder is of this patient, of whom only a digest is written.

        Where nothing is written yet, ``earlier`` is asked of which patients the study was before.
        """
        digest = hashlib.sha256(patient.encode()).hexdigest()
        mark = folder / _MARK
        with self._filing:
            self._make(folder)
            try:
                return mark.read_text() == digest
            except FileNotFoundError:
                if any(one != patient for one in earlier()):
                    return False
                written = durable.write(mark, digest.encode(), replace=False)
            return written or mark.read_text() == digest

    def generation(self, study_instance_uid: str) -> object:
        """Another one once a received study was deleted and comes anew; None before it came."""
        try:
            found = (self.study(study_instance_uid) / _MARK).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def _make(self, folder: Path) -> None:
        """Make a folder whose name outlives a loss of power, also where another edge makes it."""
        if not folder.exists():
            durable.make_folder(folder)
        elif folder not in self._named:
            durable.flush(folder.parent)
        if len(self._named) >= _NAMED_FOLDERS:
            self._named.clear()
        self._named.add(folder)

    def received(self, onerror: Callable[[OSError], object] = lambda _: None) -> Iterator[Path]:
        """All files of received studies, but for what is deleted meanwhile. ``onerror`` is told
        why a study's folder cannot be listed.
        """
        for folder in self.studies.iterdir():
            try:
                yield from list(folder.glob("*.dcm"))
            except FileNotFoundError:
                pass
            except OSError as error:
                onerror(error)

    def clear_incoming(self, mine: Path, silent_seconds: float, *, place: str = "/") -> None:
        """Delete what dead edges had not answered for: those that gave no sign of life for so
        long, and those that listened at ``place``, where this one (``mine``) listens now.
        """
        for folder, silent in aged(self.incoming):
            if folder != mine and (folder.name.startswith(place) or silent > silent_seconds):
                shutil.rmtree(folder, ignore_errors=True)

    def want_prior(self, study_instance_uid: str) -> Path:
        """The folder of an earlier study that is about to be fetched: no sweep takes it away.

        Raises:
            Unreachable: the disk does not take it.
        """
        folder = self.prior(study_instance_uid)
        try:
            folder.mkdir(exist_ok=True)
            os.utime(folder)
        except OSError as error:
            raise Unreachable(f"the folder of a prior: {error.strerror}") from None
        return folder

    def delete_prior(self, study_instance_uid: str, wanted_at: float) -> bool:
        """Delete an earlier study, unless somebody wants it since (seconds since 1970)."""
        folder = self.prior(study_instance_uid)
        with suppress(FileNotFoundError):  # another edge was faster
            if folder.stat().st_mtime <= wanted_at:
                # Under another name first: what is fetched from now on lies in a new folder.
                gone = folder.rename(folder.with_name(f"{GONE}{uuid.uuid4().hex}"))
                shutil.rmtree(gone, ignore_errors=True)
                return True
        return False

    def delete(self, study_instance_uid: str, paths: Iterable[PurePosixPath]) -> None:
        """Delete some files of a received study, and its folder if nothing else lies there.

        Another edge may file into it just now: a folder that is not empty is never deleted.
        """
        folder = self.study(study_instance_uid)
        with self._filing:
            for path in paths:
                (self.root / path).unlink(missing_ok=True)
            if folder.exists() and not any(folder.glob("*.dcm")):
                self._named.discard(folder)
                _delete_empty(folder)


def _delete_empty(folder: Path) -> None:
    """Delete a study's folder in which no object lies, or leave it whole."""
    mark = folder / _MARK
    try:
        patient = mark.read_bytes()
    except FileNotFoundError:
        patient = b""
    with suppress(FileNotFoundError):  # another edge deletes it as well
        for left in folder.glob(".*.part"):  # of a write during which a program died
            left.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:  # an object has come meanwhile
            if patient:
                durable.write(mark, patient, replace=False)


def is_there(root: Path) -> bool:
    """Whether a data folder holds its folders: without making them, as a :class:`Spool` does."""
    try:
        return (root / "studies").is_dir()
    except OSError:
        return False


def is_uid(text: str) -> bool:
    """Whether this is a UID (PS3.5 9.1), which may name a file."""
    return len(text) <= _LONGEST_UID and bool(_UID.fullmatch(text))


def checked_uid(uid: str) -> str:
    """A UID that may name a file.

    Raises:
        BadStudy: it is not a UID; it may be a path.
    """
    if not is_uid(uid):
        raise BadStudy("an object has a UID that is none (PS3.5 9.1: digits and dots, at most 64)")
    return uid


def _compared(received: Path, place: Path) -> Filed:
    """What came, beside what lies there. The meta information of the files does not count."""
    if filecmp.cmp(received, place, shallow=False):
        return Filed.IDENTICAL
    try:
        if data_set_of(received)[0] != data_set_of(place)[0]:
            return Filed.REENCODED
        same = data_set_sha256(received) == data_set_sha256(place)
    except InvalidDicomError:
        return Filed.DIFFERENT
    return Filed.IDENTICAL if same else Filed.DIFFERENT


def sha256(path: Path) -> str:
    """The digest of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def aged(folder: Path) -> Iterator[tuple[Path, float]]:
    """What lies in a folder, and for how many seconds nothing in it was added or taken away."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another edge has deleted it
            yield path, time.time() - path.stat().st_mtime


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a folder; what goes meanwhile counts as nothing."""
    found = 0
    folders = os.walk(path) if path.is_dir() else [(path.parent, (), [path.name])]
    for folder, _, names in folders:  # passes over what cannot be listed
        for name in names:
            with suppress(OSError):
                state = Path(folder, name).lstat()
                found += state.st_size if stat.S_ISREG(state.st_mode) else 0
    return found
