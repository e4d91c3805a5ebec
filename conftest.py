"""What all tests share: where code and state are, a clean environment, and no way out of this machine."""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent

# Before anything of the engine is imported: it reads ORRERY_STATE once. Environments and caches are shared with
# the checkout, because they follow from their inputs alone; states, locks and the local cloud are each session's own.
SESSION = Path(tempfile.mkdtemp(prefix="orrery-tests-")).resolve()
STATE = SESSION / "state"
STATE.mkdir()
for _name in ("envs", "cache"):
    (ROOT / ".orrery" / _name).mkdir(parents=True, exist_ok=True)
    (STATE / _name).symlink_to(ROOT / ".orrery" / _name)

_FOREIGN = ("AWS_", "ORRERY_", "TF_VAR_", "LOCAL_AWS")
_OURS = (
    "TARGET",
    "YES",
    "VERBOSE",
    "ALL",
    "DATA",
    "SET",
    "NO_COLOR",
    "FORCE_COLOR",
    "MAKEFLAGS",
    "MAKELEVEL",
    "JSII_NODE",
)
for _name in list(os.environ):
    if (_name.startswith(_FOREIGN) and not _name.startswith("ORRERY_ENV_")) or _name in _OURS:
        del os.environ[_name]
os.environ |= {
    "ORRERY_STATE": str(STATE),
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
for _path in [ROOT, *sorted((ROOT / "stacks").glob("*/src"))]:
    if str(_path) not in sys.path:
        sys.path.insert(0, str(_path))

# A script that runs in the background starts with interrupts ignored, and so would all processes that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_outside: list[str] = []


def _is_near(host: object) -> bool:
    if host in (None, "", b"", "localhost", "::", "0.0.0.0"):
        return True
    text = host.decode() if isinstance(host, bytes) else str(host)
    try:
        return ipaddress.ip_address(text.partition("%")[0]).is_loopback
    except ValueError:
        return text.endswith(".localhost")


def _no_way_out(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None  # others are local: Unix sockets, netlink
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not _is_near(host):
        _outside.append(f"{event} {host}")
        raise OSError(f"tests stay on this machine, but something asked for {host}")


sys.addaudithook(_no_way_out)


@pytest.fixture(autouse=True)
def _stays_on_this_machine() -> Iterator[None]:
    """Fail a test that tried to reach beyond loopback, even where the code under test hid the error."""
    _outside.clear()
    yield
    found = list(_outside)
    _outside.clear()
    assert not found, f"the test reached beyond loopback: {found}"


@pytest.fixture
def outside() -> list[str]:
    """The attempts to leave this machine that were refused so far; a test that means one clears it."""
    return _outside


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a long run try more seeds than the usual one."""
    parser.addoption("--seeds", type=int, default=0, help="how many seeds tests with the marker `seeds` run with")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test marked with ``seeds(few)`` once for each seed."""
    if marker := metafunc.definition.get_closest_marker("seeds"):
        many = metafunc.config.getoption("--seeds") or marker.args[0]
        metafunc.parametrize("seed", range(1, many + 1))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which end-to-end tests stay together when several processes share them out (``--dist loadgroup``).

    Each process has a local cloud of its own. All that need the session's deployments go to one of them, in their
    order, since the last of these destroy what the others use; of the rest, each file stays whole.
    """
    for item in items:
        if item.get_closest_marker("e2e"):
            deployed = "deployments" in getattr(item, "fixturenames", ())
            item.add_marker(pytest.mark.xdist_group("deployed" if deployed else item.nodeid.partition("::")[0]))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove what the session kept; the links in it are removed, not followed."""
    shutil.rmtree(SESSION, ignore_errors=True)
