"""The tests' own promise: nothing leaves this machine, and the user's state is not touched."""

from __future__ import annotations

import os
import socket

import pytest

from infra import paths


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("2001:db8::1", 80)])
def test_a_connection_beyond_loopback_is_refused(address: tuple[str, int], outside: list[str]) -> None:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family) as outbound, pytest.raises(OSError, match="stay on this machine"):
        outbound.settimeout(1)
        outbound.connect(address)
    assert outside, "an attempt that is swallowed by the code under test must still be seen"
    outside.clear()


def test_a_name_is_not_looked_up(outside: list[str]) -> None:
    with pytest.raises(OSError, match="stay on this machine"):
        socket.getaddrinfo("s3.us-east-1.amazonaws.com", 443)
    outside.clear()


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


def test_state_is_the_sessions_own() -> None:
    assert paths.Path(os.environ["ORRERY_STATE"]) == paths.STATE
    assert paths.ROOT not in paths.STATE.parents
