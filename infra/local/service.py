"""What every local service is: one small protocol, and the facts that it hands out."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

HOST = "127.0.0.1"
ACCOUNT = "000000000000"
REGIONS = ("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-2")
"""The regions that have a port of their own. Every other region works too, through the main port."""

CANNOT_SAVE = "it cannot save its state"
"""How the problem of a service begins that must not be restarted: what is in its memory would be lost."""

State = Literal["running", "starting", "unhealthy", "stopped", "failed", "unsupervised"]


@dataclass(frozen=True)
class Endpoint:
    """Where a service listens."""

    url: str
    host: str
    port: int
    region_urls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceStatus:
    """What is known about one service right now."""

    name: str
    state: State
    pid: int | None
    endpoint: Endpoint | None
    uptime_s: float
    rss_mb: float
    restarts: int
    data: Path
    log: Path
    note: str = ""


@dataclass(frozen=True)
class Database:
    """A database of its own for one stack, and the role that owns it."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Check:
    """One line of ``orrery doctor``."""

    name: str
    ok: bool
    message: str
    next_step: str = ""


@dataclass(frozen=True)
class Program:
    """How the supervisor starts and stops a service's process."""

    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    user: str = ""
    stop_signal: str = "TERM"
    stop_timeout_s: int = 15


@dataclass(frozen=True)
class Place:
    """The folders of the local cloud, all below ``.orrery/local``."""

    home: Path

    def data(self, name: str) -> Path:
        """Return a service's data folder."""
        return self.home / "data" / name

    def log(self, name: str) -> Path:
        """Return a service's log file."""
        return self.home / "logs" / f"{name}.log"

    def secret(self, name: str) -> str:
        """Return a password that is made once and kept in a file only its owner can read."""
        path = self.home / "secrets" / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f".{name}.{secrets.token_hex(4)}")
        write_private(fresh, secrets.token_urlsafe(24) + "\n")
        try:
            with contextlib.suppress(FileExistsError):  # another command was quicker: its password counts
                path.hardlink_to(fresh)
        finally:
            fresh.unlink()
        return path.read_text().strip()


class Service(Protocol):
    """One service of the local cloud; one file per service implements it."""

    name: str
    environment: str
    """The lock file in ``requirements/`` whose environment runs it."""
    preferred_ports: Mapping[str, int]
    """Which ports it would like: ``main``, and others by a name of their own."""

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Make what the first start needs; does nothing the second time."""

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the process to keep alive."""

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it listens."""

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""

    @property
    def data(self) -> Path:
        """Return where its data is."""


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner can read, so that a crash leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_free(port: int) -> bool:
    """Tell whether a loopback port can be listened on."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True
