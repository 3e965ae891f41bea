"""The node itself as a server of a test: started as its administrator starts it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from peers import Server, echo, free_port, wait_until

from dicom_node.ledger import jobs, quarantined
from workers import showing, site

AE_TITLE = "DICOMNODE"
#: A first load of the model and a study on two slow cores.
READ_SECONDS = 180.0


class Site:
    """A folder with a site's configuration; :meth:`configure` goes over what all tests need."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.config = folder / "node.yaml"
        folder.mkdir(parents=True)
        for name in ("rules.yaml", "findings.yaml"):
            with resources.as_file(resources.files("config") / name) as source:
                shutil.copy(source, folder / name)
        self.settings: dict[str, object] = {
            "node": {"ae_title": AE_TITLE, "port": self.port, "data": "data"},
            "receive": {"disk_reserve": "1 MiB"},
            "completion": {"quiet_seconds": 2},
            "delivery": {"first_retry_seconds": 1, "longest_retry_seconds": 2},
            "limits": {"sweep_seconds": 0.5},
            "log": {"level": "DEBUG"},
        }
        self.configure()

    def configure(self, **sections: object) -> None:
        """Write ``node.yaml`` with these sections."""
        self.settings |= sections
        self.__dict__.pop("_opened", None)
        self.config.write_text(yaml.safe_dump(self.settings), encoding="utf-8")

    @property
    def data(self) -> Path:
        """What the node keeps."""
        return self.folder / "data"

    def command(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run ``dicom-node`` on this site to its end."""
        return dicom_node(*arguments, "--config", self.config)

    def listing(self) -> dict[str, list[dict[str, Any]]]:
        """What ``dicom-node jobs --json`` prints; asked so often that no program is started."""
        database = self._opened.database
        found, aside = jobs.listing(database), quarantined.listing(database, limit=50)
        told: dict[str, list[dict[str, Any]]] = json.loads(showing.jobs_json(found, aside))
        return told

    def jobs(self) -> list[dict[str, Any]]:
        """The studies that it lists."""
        return self.listing()["jobs"]

    def show(self, job: int) -> dict[str, Any]:
        """What ``dicom-node show JOB --json`` says; no program is started for it either."""
        story = showing.story_json(self._opened, jobs.get(self._opened.database, job))
        told: dict[str, Any] = json.loads(story)
        return told

    @cached_property
    def _opened(self) -> site.Site:
        return site.open_site(site.configure(self.config))

    def job_in(self, *states: str, seconds: float = READ_SECONDS) -> dict[str, Any]:
        """The only job, once it is in one of these states."""

        def there() -> bool:
            found = self.jobs()
            return bool(found) and all(job["state"] in states for job in found)

        wait_until(there, f"the study is {' or '.join(states)}: {self.jobs()}", seconds)
        (job,) = self.jobs()
        return job


class Node(Server):
    """One program of the node: ``run``, ``edge``, ``worker`` or ``sender``."""

    def __init__(self, site: Site, role: str = "run") -> None:
        super().__init__(site.folder / f"process-{role}")
        self.site = site
        self.role = role

    def command(self) -> list[str]:
        return [sys.executable, "-m", "workers", self.role, "--config", str(self.site.config)]

    def answers(self) -> bool:
        """A worker answers nobody: it is enough that it runs."""
        return self.role in ("worker", "sender") or echo(self.site.port, AE_TITLE)


def peer(server: Any, **more: object) -> dict[str, object]:
    """A section of ``node.yaml`` for a peer of the tests."""
    where = {"ae_title": server.aet, "host": "127.0.0.1", "port": server.dicom_port}
    return where | {"timeout_seconds": 20} | more


def dicom_node(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end; a failure is for the test to look at."""
    return subprocess.run(
        [sys.executable, "-m", "workers", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=READ_SECONDS,
        check=False,
    )
