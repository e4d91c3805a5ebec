"""The service ``kafka``: one broker of our own, or the cluster that ``KAFKA_BOOTSTRAP`` names.

What the broker can do, and why it is there: ``docs/adr/0022-a-kafka-broker-of-our-own.md``.
"""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.errors import OrreryError
from infra.local.service import HOST, Endpoint, Place, Program
from infra.paths import ROOT

CLIENT_ENVIRONMENT = "kafka"
SERVER = Path(__file__).with_name("broker")
VARIABLE = "KAFKA_BOOTSTRAP"
INSTEAD = f"set {VARIABLE}=host:port[,host:port…] of a listener without TLS and login, or unset it for the local broker"
METADATA, METADATA_VERSION = 3, 1
CLIENT = b"orrery"
LONGEST_ANSWER = 1 << 20


class Kafka:
    """The local Kafka. It takes any login: only this machine reaches it."""

    name = "kafka"
    environment = "local"
    preferred_ports: Mapping[str, int] = {"main": 9092}

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where its data is."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Make the folder of its data."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the broker's process; changed code makes it a new one."""
        code = b"".join(path.read_bytes() for path in sorted(SERVER.glob("*.py")))
        return Program(
            command=[str(python), "-P", "-m", "infra.local.broker", str(self.data), str(ports["main"])],
            environment={
                "ORRERY_BUILD": hashlib.sha256(code).hexdigest()[:12],
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": str(ROOT),
                "PYTHONUNBUFFERED": "1",
            },
        )

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it listens; the address is what clients take as ``bootstrap.servers``."""
        return Endpoint(f"{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        try:
            found = brokers(HOST, ports["main"])
        except (OSError, ValueError) as error:
            return f"no answer on port {ports['main']}: {error}"
        if (HOST, ports["main"]) not in found:
            return f"port {ports['main']} is answered by another program"
        return ""

    def elsewhere(self) -> Endpoint | None:
        """Return the cluster that the user named instead of the local broker.

        Raises
        ------
        OrreryError
            ``KAFKA_BOOTSTRAP`` is not a list of ``host:port``.
        """
        value = os.environ.get(VARIABLE, "").strip()
        if not value:
            return None
        servers = parse(value)
        named = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in servers]
        return Endpoint(",".join(named), *servers[0])

    def problem_elsewhere(self, there: Endpoint) -> str:
        """Return why the named cluster can't be used, or nothing when one of its servers answers."""
        try:
            cluster(there.url)
        except OSError as error:
            return str(error)
        return ""

    def check_elsewhere(self, there: Endpoint) -> None:
        """Refuse a named cluster that does not answer."""
        if problem := self.problem_elsewhere(there):
            raise OrreryError(f"no Kafka answers at {VARIABLE}={there.url}: {problem}", next_step=INSTEAD)

    def drop(self, python: Path, there: Endpoint, prefix: str) -> None:
        """Delete the topics and groups whose names begin with a prefix; fine when there are none."""
        command = [str(python), "-P", "-m", "jobs.kafka_topics", "--bootstrap", there.url]
        command += ["remove", "--prefix", prefix]
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "KAFKA_AUTHENTICATION": "",
        }
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise OrreryError(
                f"the topics of {prefix} could not be removed from {there.url}",
                next_step=f"see {self.place.log(self.name)}, then run the command again",
                details=done.stdout + done.stderr,
            )


def parse(value: str) -> list[tuple[str, int]]:
    """Return the hosts and ports of a list of bootstrap servers.

    Examples
    --------
    >>> parse("127.0.0.1:9092,kafka.example:9094")
    [('127.0.0.1', 9092), ('kafka.example', 9094)]
    """
    servers = []
    for each in value.split(","):
        host, _, port = each.strip().rpartition(":")
        if not host or "/" in host or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise OrreryError(f"{VARIABLE}={value} is not host:port", next_step=INSTEAD)
        servers.append((host.strip("[]"), int(port)))
    return servers


def cluster(servers: str) -> list[tuple[str, int]]:
    """Return the brokers of a cluster as the first of its servers that answers says; see `brokers`.

    Raises
    ------
    OSError
        None of them answers; it says why for each.
    """
    problems = []
    for host, port in parse(servers):
        try:
            return brokers(host, port)
        except (OSError, ValueError) as error:
            problems.append(f"{host}:{port}: {error}")
    raise OSError("; ".join(problems))


def brokers(host: str, port: int, timeout_s: float = 3.0) -> list[tuple[str, int]]:
    """Return the addresses by which the brokers of a cluster want to be reached: one metadata request.

    Written out here, because the engine has no Kafka client, and needs no other request.

    Raises
    ------
    OSError, ValueError
        Nothing answers, or what answers does not speak Kafka.
    """
    request = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, len(CLIENT)) + CLIENT
    request += struct.pack(">i", 0)  # of no topic
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _exactly(connection, 4))
        if not 8 <= size <= LONGEST_ANSWER:
            raise ValueError("what answers does not speak Kafka, or wants TLS")
        answer = _exactly(connection, size)
    try:
        return _addresses(answer)
    except (struct.error, UnicodeDecodeError) as error:
        raise ValueError("its answer is not one of Kafka's") from error


def _addresses(answer: bytes) -> list[tuple[str, int]]:
    correlation, count = struct.unpack_from(">ii", answer)
    if correlation != 1 or not 0 < count < 10_000:
        raise ValueError("it knows no broker")
    at, found = 8, []
    for _ in range(count):
        _, length = struct.unpack_from(">ih", answer, at)
        name = answer[at + 6 : at + 6 + length].decode()
        port, rack = struct.unpack_from(">ih", answer, at + 6 + length)
        found.append((name, port))
        at += 6 + length + 6 + max(rack, 0)
    return found


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ValueError("it hangs up: it does not speak Kafka, or wants TLS")
        data += piece
    return data
