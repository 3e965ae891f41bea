"""The door as tests start it, and senders of which every byte is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builders import chest_picture
from peers import free_port, storescu
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_file_meta_info
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import ComputedRadiographyImageStorage, generate_uid
from pynetdicom import AE
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.dsutils import encode

from dicom_node.ledger import jobs
from dicom_node.ledger.database import Database
from dicom_node.partial import data_set_of
from dicom_node.peer import Peer
from dicom_node.receive.door import Door
from dicom_node.receive.header import Header
from dicom_node.receive.line import Limits
from dicom_node.receive.origin import Asked, Origin
from dicom_node.receive.recorder import Recorder
from dicom_node.receive.scp import Receiver
from dicom_node.receive.tls_line import Callers, Lines
from dicom_node.spool import Spool

DOOR = Door("DICOMNODE", (), (), 3, 3, 0)
LIMITS = Limits(
    maximum_pdu_bytes=65536,
    maximum_object_bytes=64 * 1024**2,
    association_seconds=30,
    message_seconds=60,
    idle_seconds=10,
    object_seconds=600,
    lowest_bytes_per_second=0,
    without_object_seconds=600,
)

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PAPYRUS = "1.2.840.10008.1.20"
DEFLATING = (DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205")


@dataclass
class Node:
    spool: Spool
    database: Database
    port: int
    recorder: Recorder
    asked_for: dict[str, Asked]
    tls_port: int = 0

    def studies(self) -> list[str]:
        return [job.study_instance_uid for job in jobs.listing(self.database, limit=1000)]

    def received(self) -> list[Path]:
        return sorted(self.spool.received())

    def temporary(self) -> list[Path]:
        """Files of objects that are being received."""
        return [one for one in self.spool.incoming.rglob("*") if one.is_file()]


@contextmanager
def node(
    folder: Path,
    door: Door = DOOR,
    limits: Limits = LIMITS,
    host: str = "127.0.0.1",
    lines: Lines | None = None,
    callers: Callers = Callers({}),  # noqa: B008 - frozen
) -> Iterator[Node]:
    """The server of the door with its recorder, in this process; with ``lines`` by TLS too."""
    spool = Spool(folder / "data")
    database = Database(f"sqlite:///{folder}/ledger.sqlite3")
    recorder = Recorder(database, spool, "tests", 30)
    asked: dict[str, Asked] = {}

    def asked_for(header: Header, _: Origin) -> Asked:
        return asked.get(header.study_instance_uid, Asked.NO)

    receiver = Receiver(
        door=door,
        spool=spool,
        recorder=recorder,
        asked_for=asked_for,
        incoming=spool.incoming / "tests",
        limits=limits,
        callers=callers,
    )
    port, tls_port = free_port(), free_port() if lines else 0
    recorder.start()
    receiver.start(host, port, (tls_port, lines) if lines else None)
    try:
        yield Node(spool, database, port, recorder, asked, tls_port)
    finally:
        receiver.stop()
        recorder.stop()


def send(to: Node, *films: Path, options: tuple[str, ...] = ()) -> str:
    """Send by DCMTK, one association, not halting; what it says of each answer."""
    done = storescu(films, to.port, "-nh", *options, aec="DICOMNODE", check=False)
    return done.stdout + done.stderr


def settle(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until the recorder has entered what the door told it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def peer(to: Node, calling: str = "TESTS", called: str = "DICOMNODE") -> Peer:
    return Peer("node", called, "127.0.0.1", to.port, calling, 5)


def dataset(sop_class: str = ComputedRadiographyImageStorage, **elements: Any) -> Dataset:
    """A small data set of a study of its own."""
    made = Dataset()
    made.SOPClassUID = sop_class
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(made, keyword, generate_uid())
    made.PatientID = "TEST-1"
    made.PatientName = "Testname^Anna"
    made.Modality = "CR"
    made.Rows, made.Columns = 96, 80
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.SamplesPerPixel, made.PixelRepresentation = 1, 0
    made.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def encoded(made: Dataset, syntax: str) -> bytes:
    """A data set as it goes over the network, with its pixels as this syntax has them."""
    implicit = syntax in (IMPLICIT, PAPYRUS)
    little = syntax != BIG_ENDIAN
    if "PixelData" not in made:
        native = syntax in (IMPLICIT, EXPLICIT, BIG_ENDIAN, PAPYRUS, *DEFLATING)
        pixels = chest_picture().astype("<u2" if little else ">u2").tobytes()
        made.PixelData = pixels if native else encapsulate([pixels])
        made["PixelData"].VR = "OW" if native else "OB"
        made["PixelData"].is_undefined_length = not native
    done = encode(made, implicit, little, syntax in DEFLATING)
    assert done is not None
    return done


def part10(path: Path, made: Dataset, content: bytes, syntax: str, **meta: str) -> Path:
    """Write a file with exactly these bytes as its data set."""
    head = FileMetaDataset()
    head.MediaStorageSOPClassUID = made.SOPClassUID
    head.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    head.TransferSyntaxUID = syntax
    head.ImplementationClassUID = "1.2.3.4"
    for keyword, value in meta.items():
        setattr(head, keyword, value)
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        write_file_meta_info(file, head)
        file.write(content)
    return path


@contextmanager
def associated(
    to: Node | int,
    contexts: Sequence[tuple[str, Sequence[str]]],
    calling: str = "TESTS",
    called: str = "DICOMNODE",
) -> Iterator[Any]:
    """An association of pynetdicom, which sends the bytes of files as they are."""
    port = to if isinstance(to, int) else to.port
    ae = AE(ae_title=calling)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 30
    for sop_class, syntaxes in contexts:
        ae.add_requested_context(sop_class, list(syntaxes))
    opened = ae.associate("127.0.0.1", port, ae_title=called)
    if opened.is_established:
        # Else pynetdicom's own thread may take an answer off the queue before we do.
        opened._reactor_checkpoint.clear()
        time.sleep(0.05)
    try:
        yield opened
    finally:
        opened._reactor_checkpoint.set()
        if opened.is_established:
            opened.release()


def status(opened: Any, path: Path) -> int:
    """Send the data set of a file as it is; what is answered, -1 for nothing."""
    syntax, begin = data_set_of(path)
    meta = read_file_meta_info(path)
    sop_class = meta.MediaStorageSOPClassUID
    context = next(
        one.context_id
        for one in opened.accepted_contexts
        if one.abstract_syntax == sop_class and one.transfer_syntax == [syntax]
    )
    request = C_STORE()
    request.MessageID = 1
    request.AffectedSOPClassUID = sop_class
    request.AffectedSOPInstanceUID = meta.MediaStorageSOPInstanceUID
    request.Priority = 0
    request._dataset_path = (path, begin)
    opened.dimse.send_msg(request, context)
    _, answer = opened.dimse.get_msg(block=True)
    return -1 if answer is None else int(answer.Status)
