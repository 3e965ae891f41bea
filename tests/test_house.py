"""The parts fit together: names in files exist, packages are complete, the edge needs no torch."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from typer.main import get_command
from typer.testing import CliRunner

from dicom_node import settings
from dicom_node.archives import ARCHIVES
from dicom_node.outputs import OUTPUTS
from dicom_node.sections import ArchiveSection, DestinationSection
from models.engines import ENGINES
from models.prepare import PREPARE
from models.questions import QUESTIONS
from workers.cli import app
from workers.site import configure

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "config"
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMMANDS = sorted(getattr(get_command(app), "commands", {}))
_TOP = ("config", "dicom_node", "models", "workers")


def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((CONFIG / name).read_text("utf-8"))
    return document


def test_every_name_in_the_rules_is_a_function() -> None:
    for rule in _document("rules.yaml")["rules"]:
        assert rule["prepare"] in PREPARE
        assert set(rule["questions"]) <= set(QUESTIONS)
        assert set(rule["outputs"]) <= set(OUTPUTS)


def test_every_name_in_the_node_is_a_function() -> None:
    node = _document("node.yaml")
    assert node["engine"]["name"] in ENGINES
    assert node["archive"]["protocol"] in ARCHIVES


def test_every_setting_stands_in_the_commented_file() -> None:
    """An administrator finds each setting in config/node.yaml, if only in a comment."""
    text, node = _text("config/node.yaml"), _document("node.yaml")
    sections: dict[str, Any] = {
        name: type(field.default) for name, field in settings.Settings.model_fields.items()
    }
    sections["archive"] = ArchiveSection
    sections["destinations"] = DestinationSection
    wanted = {name: name in node for name in sections}
    for name, section in sections.items():
        written = node.get(name, {})
        written = written[0] if isinstance(written, list) else written
        for field in getattr(section, "model_fields", {}):
            wanted[field] = wanted.get(field, True) and field in written
    missing = [
        name
        for name, written in wanted.items()
        if not written and not re.search(rf"^ *# .*\b{name}:", text, re.MULTILINE)
    ]
    assert missing == []


def test_the_configuration_of_a_site_is_what_init_writes(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    done = _dicom_node("init", str(folder))
    assert done.returncode == 0, done.stderr
    assert {one.name for one in folder.iterdir()} == {
        "node.yaml",
        "rules.yaml",
        "findings.yaml",
    }
    for written in folder.iterdir():
        assert written.read_bytes() == (CONFIG / written.name).read_bytes()
    configure(folder / "node.yaml")
    again = _dicom_node("init", str(folder))
    assert again.returncode == 2
    assert "exists already" in again.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    done = CliRunner().invoke(app, [command, "--help"], prog_name="dicom-node")
    assert done.exit_code == 0, done.output
    assert f"dicom-node {command}" in done.stdout or command in done.stdout
    (described,) = [one for one in app.registered_commands if _name(one) == command]
    assert described.callback is not None
    first = (described.callback.__doc__ or "").splitlines()[0]
    assert first.split("(")[0].split(":")[0][:30] in " ".join(done.stdout.split())


def test_it_tells_its_version() -> None:
    done = _dicom_node("--version")
    assert (done.returncode, done.stdout.strip()) == (0, f"dicom-node {_version()}")


def test_the_commands_are_those_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = re.search(r"^\| command \|.*?\n\n", readme, re.MULTILINE | re.DOTALL)
    assert named is not None
    for command in COMMANDS:
        assert re.search(rf"`(dicom-node )?{command}\b", named.group()), command
    for text in re.findall(r"dicom-node (\w+)", readme):
        assert text in COMMANDS, text


@pytest.mark.parametrize(
    "page",
    ["README.md", "CHANGELOG.md", *("docs/" + one.name for one in (ROOT / "docs").glob("*.md"))],
)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    for link in links:
        if not re.match(r"https?://|#", link):
            assert ((ROOT / page).parent / link.split("#")[0]).exists(), link


def test_every_file_that_the_readme_names_is_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for name in re.findall(r"`((?:config|dicom_node|models|workers)/[\w./]+)`", text):
        assert (ROOT / name).exists(), name


def test_make_knows_what_the_readme_tells() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    told = set(
        re.findall(
            r"\bmake (\w+)", "".join(re.findall(r"```console.*?```|`make[^`]*`", text, re.DOTALL))
        )
    )
    assert {"demo", "test", "check"} <= told <= set(targets)


def test_every_package_is_installed() -> None:
    """``models`` and ``config`` are general names, so that pyproject.toml lists each package."""
    with_code = {
        ".".join(path.relative_to(ROOT).parent.parts)
        for top in _TOP
        for path in (ROOT / top).rglob("*.py")
    }
    listed = set(PYPROJECT["tool"]["setuptools"]["packages"])
    assert listed == with_code
    for package in with_code:
        assert (ROOT / package.replace(".", "/") / "__init__.py").exists(), package


def test_every_data_file_is_installed() -> None:
    data = PYPROJECT["tool"]["setuptools"]["package-data"]
    listed = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    there = {
        path
        for top in _TOP
        for path in (ROOT / top).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    # config/compose belongs to docker-compose.yml, not to a site.
    assert there - set((CONFIG / "compose").iterdir()) == listed
    installed = {one.name for one in resources.files("config").iterdir()}
    assert {path.name for path in listed if path.parent == CONFIG} <= installed


def test_one_version_of_torch() -> None:
    worker = PYPROJECT["project"]["optional-dependencies"]["worker"]
    (wanted,) = [one for one in worker if one.startswith("torch")]
    (pinned,) = re.findall(r"^torch==(\S+)$", _text("constraints.txt"), re.MULTILINE)
    assert pinned.startswith(wanted.removeprefix("torch==").removesuffix("*"))
    assert f"TORCH ?= {pinned}\n" in _text("Makefile")
    assert f"torch=={pinned};" in _text("Dockerfile").replace("\n", "")


def test_every_dependency_is_pinned() -> None:
    optional = PYPROJECT["project"]["optional-dependencies"]
    asked = PYPROJECT["project"]["dependencies"] + optional["worker"] + optional["dev"]
    names = {re.split(r"[\[<>=]", one)[0] for one in asked} - {"dicom-node"}
    pinned = {_plain(line.split("==")[0]) for line in _text("constraints.txt").splitlines()}
    assert {_plain(name) for name in names} <= pinned
    assert "+" not in _text("constraints.txt"), "a local version is of one build only"
    assert "--hash" not in _text("constraints.txt")


_WITHOUT_TORCH = '''
import json, sys
from pathlib import Path

class Without:
    """A finder that finds what it would, but for these packages."""

    def __init__(self, finder):
        self._finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "safetensors", "tokenizers"):
            return None
        return self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
import workers.cli
from workers.site import configure
configuration = configure(Path(sys.argv[1]))
print(json.dumps({
    "rules": [rule.name for rule in configuration.rules],
    "torch": any(name in sys.modules for name in ("torch", "transformers")),
}))
'''


def test_the_edge_needs_no_torch(tmp_path: Path) -> None:
    script = tmp_path / "edge.py"
    script.write_text(_WITHOUT_TORCH, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(CONFIG / "node.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {
        "rules": [one["name"] for one in _document("rules.yaml")["rules"]],
        "torch": False,
    }


def test_what_has_torch_says_so_where_it_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(
        _WITHOUT_TORCH.split("from workers.site")[0]
        + "sys.argv[0] = 'dicom-node'\nworkers.cli.main()\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script), "worker", "--config", str(CONFIG / "node.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "pip install 'dicom-node[worker]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_licence_is_there() -> None:
    assert "Apache License" in _text("LICENSE")
    assert len(_text("LICENSE")) > 11_000
    assert PYPROJECT["project"]["license"] == "Apache-2.0"


def _needed(package: str, extras: set[str]) -> set[str]:
    """The packages that an installed one needs here, with what those need."""
    found: set[str] = set()
    waiting = [(package, frozenset(extras))]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            marker = needed.marker
            if marker and not any(marker.evaluate({"extra": one}) for one in wanted | {""}):
                continue
            found.add(_plain(needed.name))
            entry = (needed.name, frozenset(needed.extras))
            if entry not in seen:
                seen.add(entry)
                waiting.append(entry)
    return found - {_plain(package)}


def test_the_licence_of_every_runtime_dependency_is_told() -> None:
    page = _text("docs/licences.md")
    named = {_plain(word) for word in re.findall(r"[A-Za-z][\w.-]*\w", page)}
    needed = _needed("dicom-node", {"worker"})
    assert {"torch", "pydicom", "celery"} <= needed
    of_torchs_build = re.compile(r"nvidia-|cuda-")
    assert {one for one in needed if not of_torchs_build.match(one)} <= named


def _text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def _version() -> str:
    version: str = PYPROJECT["project"]["version"]
    return version


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _name(command: Any) -> str:
    name: str = command.name or command.callback.__name__
    return name


def _dicom_node(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers", *arguments], capture_output=True, text=True, check=False
    )
