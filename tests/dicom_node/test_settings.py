"""node.yaml: what a user's mistake is told, and who overrides whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dicom_node import settings
from dicom_node.errors import Misconfigured
from dicom_node.profiles import PROFILES, SERIES, End, Series
from dicom_node.tls import Credentials, Secured

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "node.yaml"


def fault(folder: Path, text: str) -> str:
    path = folder / "node.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Misconfigured) as caught:
        settings.load(path)
    return str(caught.value).replace(str(folder), "")


def test_the_shipped_configuration_works_as_it_stands() -> None:
    loaded = settings.load(SHIPPED)

    assert loaded.node.ae_title == "DICOMNODE"
    assert loaded.destinations[0].test


def test_every_default_written_in_the_shipped_file_is_the_default_of_the_code() -> None:
    loaded = settings.load(SHIPPED)

    for section in ("receive", "completion", "delivery", "engine", "limits", "retention", "log"):
        assert getattr(loaded, section) == settings.Settings.model_fields[section].default


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("node:\n  ae_titel: X\n", "/node.yaml:2: node.ae_titel: unknown `ae_titel`; "
         "did you mean `ae_title`?"),
        ("recieve: {}\n", "/node.yaml:1: recieve: unknown `recieve`; did you mean `receive`?"),
        ("node:\n  port: eleven\n", "/node.yaml:2: node.port: expected a whole number"),
        ("node:\n  ae_title: ABCDEFGHIJKLMNOPQ\n", "/node.yaml:2: node.ae_title: an AE title has "
         "1 to 16 characters, this has 17"),
        ("node:\n  port: 1\n  port: 2\n", "/node.yaml:3: port: this key stands twice"),
        ("node: [\n", "/node.yaml:2: not valid YAML: expected the node content, but found "
         "'<stream end>'"),
        ("- a\n", "/node.yaml: expected `key: value` lines at the top"),
        ("destinations:\n  - {name: a, ae_title: A, host: h, port: 1}\n"
         "  - {name: b, ae_title: B, host: h, prt: 1}\n",
         "/node.yaml:3: destinations.1.port: is required\n"
         "/node.yaml:3: destinations.1.prt: unknown `prt`; did you mean `port`?"),
        ("node:\n", "/node.yaml:1: node: expected a section with keys; nothing stands here"),
        ("broker: redis://x\n", "/node.yaml:1: broker: expected a section with keys"),
        ("receive:\n  calling_ae_titles: PACS\n",
         "/node.yaml:2: receive.calling_ae_titles: expected a list: [PACS]"),
        ("receive:\n  calling_ae_titles: [A, 123]\n",
         "/node.yaml:2: receive.calling_ae_titles.1: expected text: put it in quotes"),
        ("delivery: {first_retry_seconds: soon}\n",
         "/node.yaml:1: delivery.first_retry_seconds: expected a number"),
        ("1: 2\n", "/node.yaml:1: 1: unknown `1`; valid are: archive, broker, completion, "
         "delivery, destinations, engine, findings, ledger, limits, log, node, orthanc, profiles, "
         "receive, release, retention, rules, series, tls"),
        ("limits: {sweep_seconds: .inf}\n",
         "/node.yaml:1: limits.sweep_seconds: input should be a finite number"),
        ("release: perhaps\n", "/node.yaml:1: release: expected true or false"),
        ("receive:\n  maximum_associations: 10\n  maximum_associations_per_sender: 11\n",
         "/node.yaml:3: receive.maximum_associations_per_sender: 11 are more than "
         "maximum_associations, 10"),
        ("retention:\n  done: 1 day\n  under_pressure: 2 days\n",
         "/node.yaml:3: retention.under_pressure: longer than `done`: what is done goes by then "
         "in any case"),
        ("destinations:\n  - {name: a, ae_title: A, host: h, port: 1}\n"
         "  - {name: a, ae_title: B, host: h, port: 1}\n",
         "/node.yaml:3: destinations.1.name: another destination is named `a` too"),
        ("destinations:\n  - name: a\n    ae_title: A\n    host: h\n    port: 1\n"
         "    profile: osirix\n",
         "/node.yaml:6: destinations.0.profile: unknown `osirix`; valid are: air, minimal, ohif, "
         "stone, weasis"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_line_and_nearest_key(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert fault(tmp_path, text) == expected


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="name yours with -c, or `dicom-node init"):
        settings.load(tmp_path / "none.yaml")


def test_of_a_folder_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=f"is a folder; name the file: {tmp_path}/node.yaml"):
        settings.load(tmp_path)


def test_one_limit_alone_may_be_below_the_default_of_another(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("receive: {maximum_associations: 10}\nretention: {done: 12 hours}\n")
    assert settings.load(path).receive.maximum_associations == 10


def test_the_environment_overrides_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_NODE__PORT", "104")

    assert settings.load(SHIPPED).node.port == 104


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOM_NODE_NODE__PORT", "many")

    with pytest.raises(Misconfigured, match="environment variable DICOM_NODE_NODE__PORT: exp"):
        settings.load(SHIPPED)


@pytest.mark.parametrize("name", ["DICOM_NODE_NOODLE__PORT", "DICOM_NODE_NODE__PRT"])
def test_a_misspelt_variable_is_not_ignored(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "104")

    with pytest.raises(Misconfigured, match=name):
        settings.load(SHIPPED)


def test_a_password_in_the_file_is_refused_without_being_repeated(tmp_path: Path) -> None:
    told = fault(tmp_path, "broker:\n  url: redis://:hunter2@redis:6379/0\n")

    assert "DICOM_NODE_BROKER__URL" in told
    assert "hunter2" not in told


def test_relative_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("node: {data: here}\n", encoding="utf-8")

    loaded = settings.load(tmp_path / "node.yaml")

    assert loaded.node.data == tmp_path / "here"
    assert loaded.ledger_url == f"sqlite:///{tmp_path}/here/ledger.sqlite3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DICOM_NODE_RECEIVE__CALLING_AE_TITLES", "PACS1"),
        ("DICOM_NODE_BROKER", "redis://x"),
        ("DICOM_NODE_DESTINATIONS", "[{"),
    ],
)
def test_a_variable_that_is_not_json_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(Misconfigured, match=f"environment variable {name.split('__')[0]}"):
        settings.load(SHIPPED)


@pytest.mark.parametrize(
    "text",
    [
        "ledger:\n  url: postgresql://host/node?password=hunter2\n",
        "broker:\n  url: redis://:hunt[er2@redis:6379/0\n",
    ],
)
def test_a_password_is_found_wherever_it_stands(tmp_path: Path, text: str) -> None:
    told = fault(tmp_path, text)

    assert "holds a password" in told
    assert "hunt" not in told


def test_addresses_are_addresses_or_networks(tmp_path: Path) -> None:
    told = fault(tmp_path, "receive:\n  addresses: [10.0.0.0/8, nonsense]\n")

    assert told.startswith("/node.yaml:2: receive.addresses.1: expected an address")


def test_a_site_adds_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text(
        "profiles:\n  ours: {based_on: stone, outputs: [sr], ends: [nothing found]}\n"
        "destinations:\n  - {name: a, ae_title: A, host: h, port: 1, profile: ours}\n",
        encoding="utf-8",
    )
    loaded = settings.load(path)
    ours = loaded.profile("ours")
    assert ours == replace(PROFILES["stone"], outputs=("sr",), ends=frozenset({End.NOTHING_FOUND}))


def test_a_site_names_its_series(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("series:\n  sc: {number: 77}\n", encoding="utf-8")
    chosen = settings.load(path).result_series
    assert chosen["sc"] == Series(77, SERIES["sc"].description)
    assert {name: chosen[name] for name in chosen if name != "sc"} == {
        name: SERIES[name] for name in SERIES if name != "sc"
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("destinations:\n  - {name: a, ae_title: A, host: h, port: 1, profile: ohiv}\n",
         "unknown `ohiv`; did you mean `ohif`?"),
        ("profiles:\n  air: {}\n", "`air` ships with the node"),
        ("profiles:\n  ours: {based_on: aim}\n", "expected one of air, ohif"),
        ("profiles:\n  ours: {ends: [nothing]}\n", "input should be 'nothing found'"),
        ("series:\n  srr: {number: 1}\n", "unknown `srr`; did you mean `sr`?"),
        ("series:\n  sr: {description: findings}\n", "has to hold the words `AI`"),
        ("series:\n  sr: {description: \"AI, NOT VERIFIED, " + 40 * "x" + "\"}\n", "at most 48"),
    ],
)  # fmt: skip
def test_a_wrong_profile_or_series_is_told(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in fault(tmp_path, text)


def test_the_series_in_the_comments_are_those_that_ship() -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    for name, one in SERIES.items():
        line = f'#   {name}: {{number: {one.number}, description: "{one.description}"}}'
        assert line in text.splitlines()


TLS = "tls: {certificate: a.crt, key: a.key, authority: ca.crt, port: 2762}\n"


def test_peers_are_called_by_tls_with_the_files_of_the_node_unless_they_have_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DICOM_NODE_TLS__PASSPHRASE", "secret")
    path = tmp_path / "node.yaml"
    path.write_text(
        f"{TLS}archive: {{ae_title: A, host: h, port: 1, tls: true}}\n"
        "destinations:\n"
        "  - {name: a, ae_title: A, host: h, port: 1}\n"
        "  - {name: b, ae_title: A, host: h, port: 1, tls: {authority: b.crt, name: n}}\n"
        "  - name: c\n    ae_title: A\n    host: h\n    port: 1\n"
        "    tls: {certificate: c.crt, key: c.key, check_name: false}\n"
    )
    loaded = settings.load(path)
    own = Credentials(tmp_path / "ca.crt", tmp_path / "a.crt", tmp_path / "a.key", "secret")
    assert "secret" not in repr(loaded) + repr(own)
    assert loaded.credentials == own
    assert loaded.archive is not None
    sections = (loaded.archive, *loaded.destinations)
    assert [loaded.peer("x", one).tls for one in sections] == [
        Secured(own, "h"),
        None,
        Secured(replace(own, authority=tmp_path / "b.crt"), "n"),
        Secured(replace(own, certificate=tmp_path / "c.crt", key=tmp_path / "c.key"), ""),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tls: {certificate: a.crt}\n", "`certificate` and `key` go together"),
        ("tls: {port: 2762}\n", "a port needs `certificate`, `key` and `authority`"),
        ("tls: {only: true}\n", "need a `port`"),
        ("tls: true\n", ":1: tls: expected a section with keys"),
        (TLS.replace("}", ", passphrase: x}"), "set DICOM_NODE_TLS__PASSPHRASE instead"),
        (TLS.replace("}", ", callers: {CT: []}}"), "at least 1 item"),
        (TLS.replace("}", ", callers: {CT: a}, client_certificate: none}"), "need `client_cert"),
        (
            "archive: {ae_title: A, host: h, port: 1, tls: true}\n",
            ":1: archive.tls: needs an `auth",
        ),
        (f"node:\n  port: 2762\n{TLS}", ":3: tls.port: is node.port too"),
        ("archive: {ae_title: A, host: h, port: 1, tls: {nmae: x}}\n", "did you mean `name`?"),
    ],
)
def test_a_mistake_about_tls_is_told(tmp_path: Path, text: str, expected: str) -> None:
    told = fault(tmp_path, text)
    assert expected in told
    assert told.startswith("/node.yaml")
    assert "\n" not in told


def test_callers_are_bound_by_name_or_by_fingerprint_as_any_tool_prints_it(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    print_ = ":".join(["AB"] * 32)
    path.write_text(TLS.replace("}", f', callers: {{CT1: a.example.org, CT2: ["{print_}", B]}}}}'))
    assert settings.load(path).tls.callers == {"CT1": ("a.example.org",), "CT2": ("ab" * 32, "B")}
