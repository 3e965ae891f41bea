"""Files of TLS that can be used, and what is said of those that cannot."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certificates
import pytest
from certificates import Authority

from dicom_node import tls
from dicom_node.errors import Misconfigured
from dicom_node.tls import Credentials


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return certificates.authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def node(ours: Authority) -> Credentials:
    return ours.sign("node")


@pytest.mark.parametrize("as_server", [True, False])
@pytest.mark.parametrize("expired", [True, False])
def test_a_certificate_says_whom_it_names_and_until_when_even_when_that_is_past(
    ours: Authority, as_server: bool, expired: bool
) -> None:
    found = tls.inspect(ours.sign("node", expired=expired), as_server=as_server)
    assert found is not None
    assert found.names == ("node", "localhost")
    left = found.until - datetime.now(UTC)
    assert timedelta(-2) < left < timedelta(0) if expired else left > timedelta(800)


def test_a_certificate_is_for_one_role_or_for_both(ours: Authority) -> None:
    more = ("-addext", "extendedKeyUsage=serverAuth")
    server = ours.sign("server", more=more)
    assert tls.inspect(server, as_server=True)
    with pytest.raises(Misconfigured, match=r"server\.crt: no certificate to call others with"):
        tls.inspect(server, as_server=False)


def test_without_a_certificate_only_the_authority_has_to_be_there(ours: Authority) -> None:
    assert tls.inspect(Credentials(ours.certificate), as_server=False) is None


def test_a_file_that_is_missing_or_something_else_is_named(
    node: Credentials, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    for change in ("authority", "certificate", "key"):
        with pytest.raises(Misconfigured, match="other: No such file"):
            tls.inspect(replace(node, **{change: other}), as_server=True)
    other.write_text("no PEM")
    other.chmod(0o600)
    with pytest.raises(Misconfigured, match="other: holds no certificate in PEM"):
        tls.inspect(replace(node, authority=other), as_server=True)
    for change in ("certificate", "key"):
        with pytest.raises(Misconfigured, match="in PEM"):
            tls.inspect(replace(node, **{change: other}), as_server=True)


def test_a_key_of_another_certificate_is_told(ours: Authority, node: Credentials) -> None:
    wrong = replace(node, key=ours.sign("another").key)
    with pytest.raises(Misconfigured, match=r"another\.key: is not the key of the certificate"):
        tls.inspect(wrong, as_server=True)


def test_a_key_that_everybody_may_read_is_refused(node: Credentials) -> None:
    assert node.key is not None
    node.key.chmod(0o640)
    assert tls.inspect(node, as_server=True)
    node.key.chmod(0o644)
    with pytest.raises(Misconfigured, match="everybody may read this key; chmod"):
        tls.inspect(node, as_server=True)


def test_an_encrypted_key_needs_its_passphrase_and_nobody_is_asked_for_it(
    node: Credentials, tmp_path: Path
) -> None:
    locked = replace(node, key=tmp_path / "locked.key")
    command = ["openssl", "pkey", "-aes256", "-passout", "pass:open sesame", "-in", str(node.key)]
    subprocess.run([*command, "-out", str(locked.key)], check=True)
    with pytest.raises(Misconfigured, match="set by DICOM_NODE_TLS__PASSPHRASE"):
        tls.inspect(locked, as_server=True)
    with pytest.raises(Misconfigured, match="the passphrase does not open it"):
        tls.inspect(replace(locked, passphrase="open barley"), as_server=True)
    assert tls.inspect(replace(locked, passphrase="open sesame"), as_server=True)
