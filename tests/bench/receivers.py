"""The receivers that are measured, each started with an empty store as its administrator would."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

from nodes import AE_TITLE, Node, Site
from peers import Orthanc, StoreScp


class _Edge(Node):
    def __init__(self, folder: Path) -> None:
        site = Site(folder)
        site.settings = {"node": site.settings["node"]}  # else as it comes
        site.configure()
        super().__init__(site, "edge")
        self.aet, self.dicom_port = AE_TITLE, site.port

    def stored(self) -> int:
        return sum(1 for _ in (self.site.data / "studies").glob("*/*.dcm"))


class _StoreScp(StoreScp):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, options=["--fork"])

    def command(self) -> list[str]:
        return [part for part in super().command() if part != "-v"]

    def stored(self) -> int:
        return len(self.files())


class _Orthanc(Orthanc):
    def command(self) -> list[str]:
        program, _, config = super().command()
        kept = ("StorageDirectory", "IndexDirectory", "HttpPort", "DicomAet", "DicomPort")
        settings = json.loads(Path(config).read_text())
        settings = {name: settings[name] for name in kept}
        Path(config).write_text(json.dumps(settings))
        return [program, config]

    def stored(self) -> int:
        with urllib.request.urlopen(f"{self.url}/statistics", timeout=30) as answer:
            return int(json.load(answer)["CountInstances"])


EDGE, STORESCP, ORTHANC = "dicom-node edge", "storescp --fork", "Orthanc"
RECEIVERS: dict[str, type[_Edge | _StoreScp | _Orthanc]] = {
    EDGE: _Edge,
    STORESCP: _StoreScp,
    ORTHANC: _Orthanc,
}
Receiver = _Edge | _StoreScp | _Orthanc
