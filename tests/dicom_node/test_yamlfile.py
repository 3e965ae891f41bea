"""Configuration files: whatever a person gets wrong is told by file, line and nearest key."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dicom_node import yamlfile
from dicom_node.errors import Misconfigured


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Peer(Section):
    title: str
    port: Annotated[int, Field(ge=1)] = 104
    mode: Literal["fast", "safe"] = "safe"


class Whole(Section):
    name: str = ""
    peers: tuple[Peer, ...] = ()
    archive: Peer | None = None
    from_: Annotated[str, Field(alias="from")] = ""

    @model_validator(mode="after")
    def _no_twins(self) -> Whole:
        titles = [peer.title for peer in self.peers]
        if len(set(titles)) < len(titles):
            raise ValueError("Two peers have the same title")
        return self


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "site.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fault(folder: Path, text: str | bytes) -> list[str]:
    """What a person is told, line by line, without the folder."""
    with pytest.raises(Misconfigured) as caught:
        yamlfile.load(written(folder, text), Whole)
    return str(caught.value).replace(f"{folder}/", "").splitlines()


def test_what_stands_there_is_loaded(tmp_path: Path) -> None:
    text = "name: Über\nfrom: here\npeers:\n- {title: A}\n- {title: B, port: 11112, mode: fast}\n"
    loaded = yamlfile.load(written(tmp_path, text), Whole)
    assert (loaded.name, loaded.from_, loaded.archive) == ("Über", "here", None)
    assert [(peer.title, peer.port, peer.mode) for peer in loaded.peers] == [
        ("A", 104, "safe"),
        ("B", 11112, "fast"),
    ]


@pytest.mark.parametrize("text", ["", "# nothing but a remark\n"])
def test_an_empty_file_means_what_is_said_by_default(tmp_path: Path, text: str) -> None:
    assert yamlfile.load(written(tmp_path, text), Whole) == Whole.model_validate({})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\nnmae: x\n", ["site.yaml:2: nmae: unknown `nmae`; did you mean `name`?"]),
        ("form: x\n", ["site.yaml:1: form: unknown `form`; did you mean `from`?"]),
        ("zzz: x\n", ["site.yaml:1: zzz: unknown `zzz`; "
                      "valid are: archive, from, name, peers"]),
        ("archive:\n  title: A\n  prot: 1\n",
         ["site.yaml:3: archive.prot: unknown `prot`; did you mean `port`?"]),
        ("archive:\n\n  port: 1\n", ["site.yaml:1: archive.title: is required"]),
        ("peers:\n  - title: A\n  - port: 0\n    title: B\n",
         ["site.yaml:3: peers.1.port: input should be greater than or equal to 1"]),
        ("peers:\n  - title: A\n\n  - port: 5\n", ["site.yaml:4: peers.1.title: is required"]),
        ("peers:\n  - title: A\n    mode: slow\n",
         ["site.yaml:3: peers.0.mode: input should be 'fast' or 'safe'"]),
        ("peers: A\n", ["site.yaml:1: peers: expected a list: [A]"]),
        ("name: [\n  a,\n", ["site.yaml:3: not valid YAML: expected the node content, "
                             "but found '<stream end>'"]),
        ("name: *other\n", ["site.yaml:1: not valid YAML: found undefined alias 'other'"]),
        ("- a\n- b\n", ["site.yaml: expected `key: value` lines at the top"]),
        ("just words\n", ["site.yaml: expected `key: value` lines at the top"]),
        ("name: a\narchive: {title: A,\n  title: B}\n",
         ["site.yaml:3: title: this key stands twice"]),
        ("archive: {title: 5}\nname: [1]\n",
         ["site.yaml:2: name: expected text",
          "site.yaml:1: archive.title: expected text: put it in quotes"]),
    ],
)  # fmt: skip
def test_each_mistake_has_its_file_line_and_key(tmp_path: Path, text: str, told: list[str]) -> None:
    assert fault(tmp_path, text) == told


def test_what_is_wrong_as_a_whole_names_the_file_and_no_empty_key(tmp_path: Path) -> None:
    text = "peers: [{title: A}, {title: A}]\n"
    assert fault(tmp_path, text) == ["site.yaml: two peers have the same title"]


@pytest.mark.parametrize(
    "text",
    [
        "name: M\u00fcller\n".encode("latin-1"),
        b"name: bell \x07\n",
        b"name: !person A\n",
        b"name: 2020-13-45\n",
        b"? [a, b]\n: c\n",
        b"peers: &all [*all]\n",
    ],
    ids=["not UTF-8", "a control character", "a tag", "no date", "a list as key", "itself"],
)
def test_what_yaml_does_not_read_is_one_line_that_names_the_file(
    tmp_path: Path, text: bytes
) -> None:
    (line,) = fault(tmp_path, text)
    assert line.startswith("site.yaml:")


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.yaml", tmp_path):
        with pytest.raises(Misconfigured, match="dicom-node init FOLDER") as caught:
            yamlfile.load(path, Whole)
        assert str(caught.value).startswith(f"{path}: ")


def test_a_place_that_is_not_in_the_file_is_the_nearest_above(tmp_path: Path) -> None:
    path = written(tmp_path, "name: x\npeers:\n- title: A\n- title: B\n  port: 3\n")
    document = yamlfile.read(path)
    assert document.data["peers"][1] == {"title": "B", "port": 3}
    for place, line in {
        ("name",): 1,
        ("peers",): 2,
        ("peers", 0, "title"): 3,
        ("peers", 1): 4,
        ("peers", 1, "port"): 5,
        ("peers", 1, "mode"): 4,
        ("peers", 7, "title"): 2,
    }.items():
        assert document.where(place) == f"{path}:{line}"
    assert document.where(("archive", "title")) == str(path)
    assert document.where(()) == str(path)
    assert ("peers", 1, "port") in document
    assert ("peers", 0, "port") not in document


def test_what_is_written_once_and_used_twice_is_there_twice(tmp_path: Path) -> None:
    text = "peers:\n- &first {title: A, mode: fast}\n- {<<: *first, title: B}\narchive: *first\n"
    loaded = yamlfile.load(written(tmp_path, text), Whole)
    assert [(peer.title, peer.mode) for peer in loaded.peers] == [("A", "fast"), ("B", "fast")]
    assert loaded.archive == loaded.peers[0]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("portt", "unknown `portt`; did you mean `port`?"),
        ("xyz", "unknown `xyz`; valid are: mode, port, title"),
        ("", "unknown ``; valid are: mode, port, title"),
    ],
)
def test_an_unknown_name_is_told_with_the_nearest_or_all(name: str, told: str) -> None:
    assert yamlfile.unknown(name, ["title", "port", "mode"]) == told
