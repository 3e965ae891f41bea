"""The ports of the node: what `check` and `run` say of one that cannot be listened on."""

from __future__ import annotations

import errno
import socket

import pytest
from peers import HOST, free_port

from workers import listening


def test_a_port_that_is_free_is_free_again_afterwards() -> None:
    port = free_port()
    listening.attempt(HOST, port)
    listening.attempt("localhost", port)


def test_where_somebody_listens_it_says_so() -> None:
    with socket.create_server((HOST, 0)) as other, pytest.raises(OSError, match="in use") as caught:
        listening.attempt(HOST, other.getsockname()[1])
    assert caught.value.errno == errno.EADDRINUSE
    assert "another dicom-node running? else change tls.port" in listening.why_not(
        caught.value, "tls.port"
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_of_an_address_that_is_not_of_this_machine_it_names_the_host(host: str) -> None:
    with pytest.raises(OSError, match=r"Cannot assign|Name or service|resolution") as caught:
        listening.attempt(host, free_port())
    told = listening.why_not(caught.value, "node.port")
    assert "node.host has to be an address of this machine" in told
    assert "running" not in told
