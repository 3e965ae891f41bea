"""Whatever is sent is stored as it came: every class, every syntax, every sender, every byte."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import receiving
from peers import Orthanc, dcmsend, storescu
from pydicom import Dataset, dcmread
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import ComputedRadiographyImageStorage, JPEGLSLossless, RLELossless, generate_uid
from pynetdicom.sop_class import _STORAGE_CLASSES
from receiving import EXPLICIT, IMPLICIT, Node, associated, dataset, encoded, part10, settle, status

from dicom_node.partial import data_set_of

#: Objects of no patient and no study (PS3.4 Annex GG), and services that only sound like storage.
NO_STUDY = {
    "1.2.840.10008.5.1.4.1.1.200.1",
    "1.2.840.10008.5.1.4.1.1.200.3",
    "1.2.840.10008.5.1.4.1.1.200.7",
    "1.2.840.10008.5.1.4.1.1.201.1",
    "1.2.840.10008.5.1.4.38.1",
    "1.2.840.10008.5.1.4.39.1",
    "1.2.840.10008.5.1.4.43.1",
    "1.2.840.10008.5.1.4.44.1",
    "1.2.840.10008.5.1.4.45.1",
}
NO_STORAGE = {"1.2.840.10008.1.3.10", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"}
IN_DICTIONARY = {
    uid for uid, row in UID_dictionary.items() if row[1] == "SOP Class" and "Storage" in row[0]
}
OF_PYNETDICOM = {str(uid) for uid in _STORAGE_CLASSES.values()}
UNKNOWN = {
    "1.3.46.670589.5.0.1.1": "a vendor's own",
    "1.2.840.10008.5.1.4.1.1.4711.1": "of a later edition",
    "2.25.4711": "of nobody",
}
CLASSES = sorted((IN_DICTIONARY | OF_PYNETDICOM | set(UNKNOWN)) - NO_STUDY - NO_STORAGE)
PRIVATE_SYNTAX = "1.3.6.1.4.1.99999.7"
SYNTAXES = [
    PRIVATE_SYNTAX,
    *(uid for uid, row in UID_dictionary.items() if row[1].startswith("Transfer Syntax")),
]
MOST_CONTEXTS = 128  # PS3.8 9.3.2.2: odd numbers of one byte


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with receiving.node(tmp_path) as started:
        yield started


def data_set(path: Path) -> bytes:
    return path.read_bytes()[data_set_of(path)[1] :]


def kept(node: Node, made: Dataset) -> Path:
    return node.spool.study(made.StudyInstanceUID) / f"{made.SOPInstanceUID}.dcm"


def test_every_storage_class_is_stored(node: Node, tmp_path: Path) -> None:
    assert len(CLASSES) > 190
    refused = {}
    objects: dict[str, Dataset] = {uid: dataset(uid) for uid in CLASSES}
    for at in range(0, len(CLASSES), MOST_CONTEXTS):
        some = CLASSES[at : at + MOST_CONTEXTS]
        with associated(node, [(uid, [EXPLICIT]) for uid in some]) as opened:
            for uid in some:
                made = objects[uid]
                path = part10(tmp_path / f"{uid}.dcm", made, encoded(made, EXPLICIT), EXPLICIT)
                if answer := status(opened, path):
                    refused[uid] = answer
    assert refused == {}
    for uid, made in objects.items():
        assert data_set(kept(node, made)) == encoded(made, EXPLICIT), uid


def test_objects_of_no_study_are_not_agreed_to(node: Node) -> None:
    with associated(
        node,
        [(ComputedRadiographyImageStorage, [EXPLICIT]), *((uid, [EXPLICIT]) for uid in NO_STUDY)],
    ) as opened:
        assert {str(one.abstract_syntax) for one in opened.rejected_contexts} == NO_STUDY
        assert [str(one.abstract_syntax) for one in opened.accepted_contexts] == [
            ComputedRadiographyImageStorage
        ]


def test_every_transfer_syntax_is_stored_as_it_came(node: Node, tmp_path: Path) -> None:
    assert len(SYNTAXES) > 55
    sent = {}
    offered = [(ComputedRadiographyImageStorage, [syntax]) for syntax in SYNTAXES]
    with associated(node, offered) as opened:
        for syntax in SYNTAXES:
            made = dataset()
            content = encoded(made, syntax)
            path = part10(tmp_path / f"{syntax}.dcm", made, content, syntax)
            sent[syntax] = (made, content, status(opened, path))
    assert {syntax for syntax, (_, _, answer) in sent.items() if answer} == set()
    for syntax, (made, content, _) in sent.items():
        there = kept(node, made)
        assert data_set_of(there)[0] == syntax
        assert data_set(there) == content, syntax
    settle(lambda: len(node.studies()) == len(sent))


@pytest.mark.parametrize("sender", ["storescu", "dcmsend", "orthanc"])
def test_every_sender_is_understood(node: Node, tmp_path: Path, rg1: Path, sender: str) -> None:
    """A real film, as it is and compressed."""
    films = [rg1, *(_compressed(rg1, tmp_path, one) for one in (JPEGLSLossless, RLELossless))]
    if sender == "storescu":
        for film, syntax in zip(films, ("-x=", "-xt", "-xr"), strict=True):
            storescu([film], node.port, syntax, aec="DICOMNODE")
    elif sender == "dcmsend":
        dcmsend(films, node.port, aec="DICOMNODE")
    else:
        _by_orthanc(node, tmp_path, films)
    for film in films:
        sent, there = dcmread(film), kept(node, dcmread(film))
        assert data_set_of(there)[0] == sent.file_meta.TransferSyntaxUID
        assert dcmread(there) == sent
        assert dcmread(there).PixelData == sent.PixelData


def _compressed(film: Path, folder: Path, syntax: str) -> Path:
    made = dcmread(film)
    made.compress(syntax, generate_instance_uid=False)
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.save_as(folder / f"{syntax}.dcm")
    return folder / f"{syntax}.dcm"


def _by_orthanc(node: Node, tmp_path: Path, films: list[Path]) -> None:
    known = {"node": ("DICOMNODE", "127.0.0.1", node.port)}
    with Orthanc(tmp_path / "orthanc", modalities=known) as orthanc:
        for film in films:
            orthanc.upload(film)
        body = json.dumps({"Resources": orthanc.client.instances.get_all_ids()}).encode()
        request = urllib.request.Request(f"{orthanc.url}/modalities/node/store", body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.loads(answer.read())
    assert told["FailedInstancesCount"] == 0
    assert told["InstancesCount"] == len(films)


@pytest.mark.parametrize("offered", [(JPEGLSLossless, IMPLICIT), (IMPLICIT, JPEGLSLossless)])
def test_of_several_syntaxes_in_one_context_the_first_is_taken(
    node: Node, tmp_path: Path, offered: tuple[str, ...]
) -> None:
    """Senders put first what they have; whoever offers more can convert."""
    made = dataset()
    film = part10(tmp_path / "film.dcm", made, encoded(made, offered[0]), offered[0])
    with associated(node, [(ComputedRadiographyImageStorage, offered)]) as opened:
        assert [one.transfer_syntax for one in opened.accepted_contexts] == [[offered[0]]]
        assert status(opened, film) == 0
    assert data_set(kept(node, made)) == encoded(made, offered[0])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_sender_that_offers_compressed_and_not_in_one_context_is_served(
    node: Node, tmp_path: Path, rg1: Path, *, compressed: bool
) -> None:
    """DCMTK with --combine: JPEG-LS, then the uncompressed ones, in one context."""
    film = dcmread(rg1)
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    if compressed:
        film.compress(JPEGLSLossless)
    film.save_as(tmp_path / "film.dcm")
    offer = ("-xt", "+C") if compressed else ("-x=", "+C")
    told = receiving.send(node, tmp_path / "film.dcm", options=offer)
    assert "Received Store Response (Success)" in told
    assert dcmread(kept(node, film)).pixel_array.tolist() == film.pixel_array.tolist()
