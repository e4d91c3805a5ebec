"""A shop of a test's own, from its database to the warehouse, made of what the stack declares; nothing is mocked.

Topics and the connector's settings are those that a deployment would get: the stack says them, and Terraform works the
settings out, without a provider.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from infra import catalog, envs, stack, targets
from infra.local import Cloud, Database
from infra.local.debezium import Debezium
from infra.local.mysql_client import Connection
from infra.paths import ROOT
from infra.terraform import find_terraform
from jobs.connectors import Connect, ConnectorRefused, write_secrets
from tests.support.local_aws import until

from .conftest import entrance

Event = dict[str, Any]
ENGINES = {"mysql": "mysql", "postgres": "postgresql"}
FAR_S = 120.0
"""How long anything may take before a test fails, in seconds."""
HURRIED = {"errors.max.retries": "1", "retriable.restart.connector.wait.ms": "500"}
"""Settings of a connector that gives up at once."""


@dataclass
class Shop:
    """A shop, its connector, its topics and its warehouse.

    Parameters
    ----------
    cloud : Cloud
    name : str
        Lower-case letters and digits: of the database, the topics and the warehouse.
    engine : str
        ``mysql`` or ``postgres``.
    folder : Path
        For its files.
    """

    cloud: Cloud
    name: str
    engine: str
    folder: Path
    database: Database = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        mysql = self.engine == "mysql"
        self.database = self.cloud.provision_mysql(self.name) if mysql else self.cloud.provision_database(self.name)

    # -- what is declared ------------------------------------------------------------------------------------------

    @cached_property
    def modules(self) -> dict[str, Any]:
        """What the stack gives its modules, about this shop."""
        info = catalog.built("10_nova")
        info = replace(info, settings={**info.settings, "source": self.engine})
        made, configuration = stack.create(info, targets.offline(), self.folder / "composed")
        text = json.dumps(configuration["module"])
        known = {
            str(made.prefix): self.name,  # type: ignore[attr-defined]
            "${module.shop.database}": self.database.database,
            "${module.shop.host}": self.database.host,
            "${module.shop.port}": str(self.database.port),
            "${module.stream.bootstrap_servers}": self.cloud.endpoint("kafka").url,
        }
        for old, new in known.items():
            text = text.replace(old, new)
        modules: dict[str, Any] = json.loads(text)
        return modules

    @cached_property
    def config(self) -> dict[str, str]:
        """The connector's settings, as the module cdc_connector works them out."""
        folder = self.folder / "settings"
        folder.mkdir()
        taken = ("bootstrap_servers", "config", "database", "engine", "host", "port", "signal_table", "tables")
        given = {each: self.modules["capture"][each] for each in (*taken, "topic_prefix")}
        source = os.path.relpath(ROOT / "modules" / "cdc_connector" / "settings", folder)
        call = {"settings": {"source": source, "partitions": 1, "server_id": None, **given}}
        told = {"config": {"value": "${module.settings.config}"}}
        (folder / "main.tf.json").write_text(json.dumps({"module": call, "output": told}))
        for arguments in (("init",), ("apply", "-auto-approve")):
            done = subprocess.run(
                [*find_terraform(), *arguments, "-input=false", "-no-color"], cwd=folder, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
        state = json.loads((folder / "terraform.tfstate").read_text())
        config: dict[str, str] = state["outputs"]["config"]["value"]
        secure = {"database.ssl.mode": "disabled"} if self.engine == "mysql" else {"database.sslmode": "disable"}
        login = {f"database.{each}": f"${{file:{self.secret}:{each}}}" for each in ("user", "password")}
        return {**config, **secure, **login}

    @property
    def secret(self) -> Path:
        """The file with Debezium's login."""
        worker = self.cloud.services["debezium"]
        assert isinstance(worker, Debezium)
        return worker.secrets / f"{self.name}.properties"

    @property
    def worker(self) -> Connect:
        """The Kafka Connect worker."""
        return Connect(self.cloud.endpoint("debezium").url)

    # -- programs --------------------------------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Where everything is."""
        one = self.database
        return {
            **entrance(self.cloud, self.name),
            "CONNECT_URL": self.cloud.endpoint("debezium").url,
            "KAFKA_BOOTSTRAP_SERVERS": self.cloud.endpoint("kafka").url,
            "NOVA_SOURCE": ENGINES[self.engine],
            "NOVA_SOURCE_HOST": one.host,
            "NOVA_SOURCE_PORT": str(one.port),
            "NOVA_SOURCE_DATABASE": one.database,
            "NOVA_SOURCE_USER": one.user,
            "NOVA_SOURCE_PASSWORD": one.password,
            "NOVA_TOPIC_PREFIX": self.name,
        }

    def start(self, *arguments: str, **more: str) -> Program:
        """Start a program of the stack: a module, or a file of the tests."""
        first = [arguments[0]] if arguments[0].endswith(".py") else ["-m", arguments[0]]
        command = [str(envs.ensure("nova")), "-P", "-u", *first, *arguments[1:]]
        number = len(list(self.folder.glob("*.log")))
        return Program(
            command, {**self.environment, **more}, self.folder / f"{number:02}-{arguments[0].split('/')[-1]}.log"
        )

    def run(self, *arguments: str, code: int = 0, **more: str) -> list[Event]:
        """Run a program of the stack to its end, and return what it logged."""
        one = self.start(*arguments, **more)
        assert one.wait() == code, one.said
        return one.events

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements in the shop, in one session, and return the rows of the last."""
        one = self.database
        rows: list[tuple[Any, ...]] = []
        if self.engine == "mysql":
            with Connection(one.host, one.port, one.user, one.password, one.database) as mysql:
                for each in statements:
                    rows = list(mysql.query(each))
            return rows
        with psycopg.connect(
            host=one.host, port=one.port, user=one.user, password=one.password, dbname=one.database, autocommit=True
        ) as postgres:
            for each in statements:
                found = postgres.execute(each)
                rows = found.fetchall() if found.description else []
        return rows

    def ask(self, query: str) -> list[list[Any]]:
        """Ask the warehouse."""
        (told,) = (each for each in self.run("nova.ask", query) if each["event"] == "asked")
        assert "error" not in told, told
        rows: list[list[Any]] = told["rows"]
        return rows

    def changes(self) -> int:
        """Return how many changes of rows the shop has committed."""
        tables = ("customers", "orders", "order_lines", "payments")
        counts = " + ".join(f"(select count(*) from truth_{each})" for each in tables)
        return int(self.sql(f"select {counts}")[0][0])

    # -- a change's way --------------------------------------------------------------------------------------------

    def make(self) -> None:
        """Make the shop's tables, Debezium's user, the topics, the warehouse and its views."""
        self.run("nova.source", "make")
        user, password = self.database.user, self.database.password
        if self.engine == "mysql":  # PostgreSQL's owner may replicate, but make nobody who may
            user, password = f"{self.database.database}_capture", self.cloud.place.secret(f"capture-{self.name}")
            self.run(str(ROOT / "stacks" / "10_nova" / "tests" / "allow.py"), user, CAPTURE_PASSWORD=password)
        write_secrets(self.secret, {"user": user, "password": password})
        topics = self.folder / "topics.json"
        topics.write_text(json.dumps(self.modules["stream"]["topics"]))
        self.run("jobs.kafka_topics", "apply", "--topics", str(topics))
        self.run("nova.merge", "--once")
        self.run("nova.views", "sync")

    def connect(self, **more: str) -> None:
        """Let Debezium follow the shop."""
        self.worker.apply(self.name, {**self.config, **more})
        self.worker.wait(self.name)

    def attend(self) -> None:
        """Do what the README asks for where Debezium was killed before it had a position."""
        with contextlib.suppress(ConnectorRefused):  # whatever else is wrong shows in what comes next
            self.worker.wait(self.name)
        if "parameter is missing" in self.worker.status(self.name).problem:
            self.worker.revive(self.name)

    def level(self) -> None:
        """Wait until all is merged that the shop has committed."""
        one = self.start("nova.pipeline", "wait", "--seconds", str(FAR_S))
        assert one.wait() == 0, (one.said, self.worker.status(self.name))

    def check(self, *, history: bool = True) -> None:
        """Compare the shop with the warehouse: each row, and each version."""
        one = self.start("nova.compare", *(["--history"] if history else []))
        assert one.wait() == 0, one.said
        compared = [each for each in one.events if each["event"] == "compared"]
        assert len(compared) == (8 if history else 4)

    def differences(self) -> list[tuple[str, str, str]]:
        """Compare where there are differences; return each one's table, column, and what the warehouse has."""
        found = self.run("nova.compare", "--history", code=1)
        return [(each["table"], each["column"], each["target"]) for each in found if each["event"] == "difference"]


class Program:
    """A program that runs.

    Parameters
    ----------
    command : list of str
    environment : dict
    log : Path
        Where what it says goes.
    """

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        with open(log, "w") as file:
            self.process = subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT)

    @property
    def said(self) -> str:
        """The end of what it said."""
        return self.log.read_text()[-3000:]

    @property
    def events(self) -> list[Event]:
        """What it logged."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [each for each in lines if "event" in each]

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def tells(self, event: str) -> bool:
        """Tell whether it has logged something."""
        return any(each["event"] == event for each in self.events)

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        return self.process.wait(timeout=FAR_S + 30)  # what gives up by itself says why

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self) -> int:
        """Ask it to end, unless it has, and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()


@contextlib.contextmanager
def going(program: Program) -> Iterator[Program]:
    """Let a program work for a while; it has to end well."""
    try:
        yield program
        assert program.stop() == 0, program.said
    finally:
        program.kill()


def kill(cloud: Cloud, name: str) -> None:
    """End a service as ``kill -9`` does; the cloud's supervisor starts it again."""
    pid = next(one.pid for one in cloud.status() if one.name == name and one.pid)
    os.kill(pid, signal.SIGKILL)
    until(lambda: any(one.name == name and one.pid not in (None, pid) for one in cloud.status()), 60, f"{name} is back")
