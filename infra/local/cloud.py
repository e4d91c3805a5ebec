"""``Cloud``: the local services of one checkout, started, stopped and looked at together."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import OrreryError
from infra.local.aws import Aws
from infra.local.bigquery import BigQuery
from infra.local.cron import Cron
from infra.local.debezium import Debezium
from infra.local.kafka import CLIENT_ENVIRONMENT, VARIABLE, Kafka, cluster
from infra.local.mysql import MySql
from infra.local.postgres import Postgres
from infra.local.service import (
    CANNOT_SAVE,
    REGIONS,
    Check,
    Database,
    Endpoint,
    Place,
    Program,
    Service,
    ServiceStatus,
    State,
    is_free,
    write_private,
)
from infra.local.snowflake import Snowflake
from infra.local.supervision import Supervisor, alive
from infra.local.users import outside_root

if TYPE_CHECKING:
    from infra.local.fault_client import FaultClient
    from infra.local.replication_client import ReplicationClient

Say = Callable[[str], None]

START_TIMEOUT_S = 90
COMES_BACK_S = 6
BY_NAME_ONLY = ("snowflake", "bigquery", "kafka", "mysql", "debezium")
"""Services that want something installed, which nobody should need for a stack that does not name them."""
NEEDS = {"debezium": ("kafka",)}
"""Services that work only with others, which are started before them."""
STATES: dict[str, State] = {
    "RUNNING": "running",
    "STARTING": "starting",
    "BACKOFF": "starting",
    "FATAL": "failed",
    "EXITED": "failed",
}


class Cloud:
    """The local cloud of one checkout.

    Parameters
    ----------
    root : Path
        The ``.orrery`` folder; everything is below its ``local``.
    """

    def __init__(self, root: Path) -> None:
        self.place = Place(root.resolve() / "local")
        self.supervisor = Supervisor(self.place)
        self.aws = Aws(self.place)
        self.postgres = Postgres(self.place)
        self.cron = Cron(self.place)
        self.kafka = Kafka(self.place)
        self.mysql = MySql(self.place)
        self.debezium = Debezium(self.place, lambda: self.endpoint("kafka"))
        others = (Snowflake(self.place), BigQuery(self.place), self.kafka, self.mysql, self.debezium)
        self.services: dict[str, Service] = {one.name: one for one in (self.aws, self.postgres, self.cron, *others)}

    # ---------------------------------------------------------------------------------- up and down

    def up(self, names: list[str], on_progress: Say | None = None) -> dict[str, Endpoint]:
        """Start the services that don't run, wait until all are healthy, and say where they are.

        Safe to call again, and from two commands at once. When it is interrupted, what this call started and
        what is not healthy yet is stopped again.

        Parameters
        ----------
        names : list of str
            Services by name.
        on_progress : callable, optional
            Receives a line for each thing that takes a moment.

        Returns
        -------
        dict
            Endpoints by service name.

        Raises
        ------
        OrreryError
            A service is unknown or can't start, a port that was asked for is taken, the disk is full.
        """
        say = on_progress or (lambda line: None)
        wanted = [one for name in names for one in (*NEEDS.get(name, ()), name)]
        services = [self._service(name) for name in dict.fromkeys(wanted)]
        outside = {one.name: there for one in services if (there := self.elsewhere(one.name))}
        for there in outside.values():
            self.kafka.check_elsewhere(there)
        services = [one for one in services if one.name not in outside]
        pythons = {one.environment: interpreter(one.environment, say) for one in services}
        with self._locked(say):
            waiting: list[Service] = []
            try:
                for one in services:
                    if not self._is_up(one, pythons[one.environment]):
                        waiting.append(one)
                        self._start(one, pythons[one.environment], say)
                self._wait(waiting, pythons, say)
            except BaseException:
                self._give_up(waiting)
                raise
            return outside | {one.name: one.endpoint(self._ports(one.name)) for one in services}

    def down(self, names: list[str] | None = None) -> None:
        """Stop services, all of them by default; their data stays."""
        chosen = [self._service(name) for name in names] if names is not None else list(self.services.values())
        if not self.place.home.exists():
            return
        with self._locked(lambda line: None):
            running = set(self.supervisor.infos())
            if running - {one.name for one in chosen}:
                for one in chosen:
                    if one.name in running:
                        self.supervisor.remove(one.name)
            else:
                self.supervisor.stop()
            if self.aws in chosen:
                for name in ("faults.json", "replication.json"):
                    (self.aws.data / name).unlink(missing_ok=True)
        if self.aws in chosen and (self.aws.data / "settings.json").exists():
            settings = json.loads((self.aws.data / "settings.json").read_text())
            if settings.get("localstack"):
                from infra.local import localstack

                localstack.stop()

    def erase(self) -> None:
        """Stop everything and delete all data, passwords, logs and ports: the next start is the first one."""
        self.down()
        shutil.rmtree(outside_root(self.place.home), ignore_errors=True)
        shutil.rmtree(self.place.home, ignore_errors=True)

    def usual(self) -> list[str]:
        """Return the services that start when none is named."""
        return [name for name in self.services if name not in BY_NAME_ONLY]

    def status(self) -> list[ServiceStatus]:
        """Return what is known about every service, running or not."""
        infos = self.supervisor.infos()
        unsupervised = [] if infos else self.supervisor.orphans()
        found = []
        for one in self.services.values():
            if there := self.elsewhere(one.name):
                found.append(self._status_elsewhere(one, there))
                continue
            info, ports = infos.get(one.name), self._ports(one.name)
            state: State = STATES.get(info.state, "stopped") if info else "stopped"
            pid = (info.pid or None) if info else None
            note = info.problem if info else ""
            if not info:
                left = [process for process in unsupervised if mentions(process, one.data)]
                if left:
                    state, pid, note = (
                        "unsupervised",
                        left[0].pid,
                        "its supervisor died; 'make up' takes it back",
                    )
            if state in ("running", "starting") and ports:
                note = one.problem(ports)
                state = ("unhealthy" if state == "running" else state) if note else "running"
            up = state not in ("stopped", "failed")
            found.append(
                ServiceStatus(
                    name=one.name,
                    state=state,
                    pid=pid,
                    endpoint=one.endpoint(ports) if up and ports else None,
                    uptime_s=time.time() - info.started if info and pid else 0.0,
                    rss_mb=memory_of(pid) if pid else 0.0,
                    restarts=self.supervisor.restarts(one.name) if info else 0,
                    data=one.data,
                    log=self.log_path(one.name),
                    note=note,
                )
            )
        return found

    def log_path(self, name: str) -> Path:
        """Return a service's log file."""
        return self.place.log(self._service(name).name)

    # ------------------------------------------------------------------------------------------ use

    def endpoint(self, name: str) -> Endpoint:
        """Return where a service listens; it has to have been started once."""
        if there := self.elsewhere(self._service(name).name):
            return there
        ports = self._ports(name)
        if not ports:
            raise OrreryError(f"{name} was never started", next_step=f"run 'make up SERVICE={name}'")
        return self.services[name].endpoint(ports)

    def elsewhere(self, name: str) -> Endpoint | None:
        """Return where a service is that runs somewhere else: Kafka, when the user names a cluster."""
        return self.kafka.elsewhere() if name == self.kafka.name else None

    def aws_environment(self, region: str = "us-east-1", through_region_port: bool = False) -> dict[str, str]:
        """Return the environment variables that lead boto3, Terraform and the AWS CLI to the local AWS.

        Parameters
        ----------
        region : str
            The default region.
        through_region_port : bool
            Use the region's own port, which can be cut off, instead of the main one.
        """
        endpoint = self.endpoint("aws")
        url = endpoint.region_urls.get(region, endpoint.url) if through_region_port else endpoint.url
        return {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "AWS_ENDPOINT_URL": url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            **without_proxy(),
        }

    def faults(self) -> FaultClient:
        """Return what sets and ends faults in front of the local AWS (docs/faults.md)."""
        from infra.local.fault_client import FaultClient

        return FaultClient(self.endpoint("aws").url)

    def replication(self) -> ReplicationClient:
        """Return what sets and reads replication between the regions of the local AWS (docs/replication.md)."""
        from infra.local.replication_client import ReplicationClient

        return ReplicationClient(self.endpoint("aws").url)

    def cut_region(self, region: str) -> None:
        """Refuse connections on a region's port and reset those that are open."""
        from infra.local.faults import Fault

        self.faults().set(cut_owner(region), [Fault("refuse", region)])

    def restore_region(self, region: str) -> None:
        """Accept connections on a region's port again."""
        client = self.faults()
        client.clear(cut_owner(region))
        others = [
            each["owner"]
            for each in client.list()
            if any(one["kind"] == "refuse" and one.get("region", region) == region for one in each["faults"])
        ]
        if others:
            raise OrreryError(
                f"{region} still refuses connections: that is a fault of {', '.join(others)}",
                next_step=f"let it end, or run: ./orrery fault clear {others[0]}",
            )

    def provision_database(self, name: str) -> Database:
        """Return a database of its own, made when it does not exist; its role owns it."""
        return self.postgres.provision(self._started("postgres"), name)

    def drop_database(self, name: str) -> None:
        """Drop a database, its role and its password; fine when they are gone already."""
        self.postgres.drop(self._started("postgres"), name)

    def provision_mysql(self, name: str) -> Database:
        """Return a MySQL database of its own, made when it does not exist; its user owns it."""
        return self.mysql.provision(self._started("mysql"), name)

    def drop_mysql(self, name: str) -> None:
        """Drop a MySQL database, its users and its password; fine when they are gone already."""
        self.mysql.drop(self._started("mysql"), name)

    def drop_connectors(self, prefix: str) -> None:
        """Remove the connectors whose names begin with a prefix, and how far they had read; fine without any."""
        self.debezium.drop(self._started("debezium"), prefix)

    def kafka_brokers(self) -> int:
        """Return how many brokers there are: no topic can have more replicas."""
        there = self.endpoint("kafka")
        try:
            return len(cluster(there.url))
        except OSError as error:
            raise OrreryError(
                f"no Kafka answers at {there.url}: {error}", next_step="start the local one: make up SERVICE=kafka"
            ) from error

    def drop_topics(self, prefix: str) -> None:
        """Delete the topics and consumer groups whose names begin with a prefix; fine when there are none."""
        self.kafka.drop(interpreter(CLIENT_ENVIRONMENT, lambda line: None), self.endpoint("kafka"), prefix)

    def install_crontab(self, name: str, file: Path, settings: Mapping[str, str]) -> None:
        """Let the service ``cron`` run a crontab, with settings of this machine in place of those of the file."""
        self.cron.install(name, file, settings)

    def remove_crontab(self, name: str) -> None:
        """Stop running a crontab; fine when it is not there."""
        self.cron.remove(name)

    def programs(self) -> Path:
        """Return the folder of PostgreSQL's programs, such as psql: of the version that its server has."""
        return self.postgres.binaries(interpreter(self.postgres.environment, lambda line: None))

    def leftovers(self, stack: str, regions: list[str]) -> list[str]:
        """Return what a destroyed stack left in the local AWS, by its tag and by its names."""
        from infra.local import leftovers

        return leftovers.find(self, stack, regions)

    def doctor(self) -> list[Check]:
        """Return what this machine has and lacks for the local cloud."""
        from infra.local import doctor

        return doctor.checks(self)

    # ------------------------------------------------------------------------------------------ how

    def _service(self, name: str) -> Service:
        if name not in self.services:
            raise OrreryError(f"there is no service {name!r}", next_step=f"use one of: {', '.join(self.services)}")
        return self.services[name]

    def _status_elsewhere(self, one: Service, there: Endpoint) -> ServiceStatus:
        problem = self.kafka.problem_elsewhere(there)
        note = problem or f"{VARIABLE} names it: not started or stopped from here"
        state: State = "unhealthy" if problem else "running"
        return ServiceStatus(one.name, state, None, there, 0.0, 0.0, 0, one.data, self.log_path(one.name), note)

    def _is_up(self, one: Service, python: Path) -> bool:
        ports = self._ports(one.name)
        explicit = explicit_port(one.name)
        if not ports or (explicit and explicit != ports["main"]) or not one.data.exists():
            return False
        if not self.supervisor.is_current(one.name, one.program(python, ports)):
            return False
        problem = one.problem(ports)
        if problem.startswith(CANNOT_SAVE):
            raise OrreryError(
                f"{one.name}: {problem}",
                next_step=f"free some space for {one.data}: it saves by itself then",
            )
        return not problem

    def _start(self, one: Service, python: Path, say: Say) -> None:
        if self._comes_back(one, python):
            return
        say(f"starting {one.name}")
        if not self.supervisor.is_running():
            self.supervisor.start(interpreter("local", say))
        self._start_on(self._assign_ports(one, say), one, python, say)

    def _start_on(self, ports: dict[str, int], one: Service, python: Path, say: Say) -> None:
        one.prepare(python, ports, say)
        program: Program = one.program(python, ports)
        if self.supervisor.is_current(one.name, program):
            self.supervisor.restart(one.name)  # it runs as it should, and does not answer
        else:
            self.supervisor.apply(one.name, program)

    def _comes_back(self, one: Service, python: Path) -> bool:
        """Give a service that just died the moment in which the supervisor brings it back."""
        ports = self._ports(one.name)
        deadline = time.monotonic() + COMES_BACK_S
        while ports and self.supervisor.is_current(one.name, one.program(python, ports)):
            if not one.problem(ports):
                return True
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return False

    def _wait(self, waiting: list[Service], pythons: dict[str, Path], say: Say) -> None:
        """Wait until all are healthy, and take each that is off the list."""
        deadline, moved = time.monotonic() + START_TIMEOUT_S, set()
        while waiting:
            one = waiting[0]
            ports = self._ports(one.name)
            problem, info = one.problem(ports), self.supervisor.info(one.name)
            if not problem and info and info.state in ("RUNNING", "STARTING"):
                waiting.remove(one)
                say(f"{one.name} is ready")
                continue
            dead = info is not None and info.state in ("BACKOFF", "FATAL")
            if dead and one.name not in moved and not all(map(is_free, ports.values())):
                moved.add(one.name)  # somebody took a port while the service was down
                self._start_on(self._assign_ports(one, say), one, pythons[one.environment], say)
                continue
            if info is None or info.state == "FATAL" or time.monotonic() > deadline:
                raise OrreryError(
                    f"{one.name} does not start: {problem}",
                    next_step=f"see {self.log_path(one.name)}",
                    details=tail(self.log_path(one.name)),
                )
            time.sleep(0.05)

    def _give_up(self, waiting: list[Service]) -> None:
        """Stop what this call began to start and what never became healthy."""
        try:
            running = self.supervisor.infos()
            for one in waiting:
                if one.name in running:
                    self.supervisor.remove(one.name)
            if self.supervisor.is_running() and not self.supervisor.infos():
                self.supervisor.stop()
        except OrreryError:
            return  # the first error is the one to show

    @contextmanager
    def _locked(self, say: Say) -> Iterator[None]:
        """Let one command at a time start or stop services. The lock ends with the process that holds it."""
        with self._writable():
            for folder in (self.place.home, self.place.home / "data", self.place.home / "logs"):
                folder.mkdir(parents=True, exist_ok=True)
            (self.place.home / "data").chmod(0o755)  # the database's user passes through
            lock = open(self.place.home / "lock", "w")  # noqa: SIM115  # closed below, whatever happens
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another command that starts or stops services")
                fcntl.flock(lock, fcntl.LOCK_EX)
            with self._writable():
                yield
        finally:
            lock.close()

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not error.filename and not error.errno:
                raise
            raise OrreryError(
                f"cannot write to {error.filename or self.place.home}: {error.strerror}",
                next_step="free some disk space, or make the folder writable, then run the command again",
                details=str(error),
            ) from error

    # ---------------------------------------------------------------------------------------- ports

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads((self.place.home / "state.json").read_text())
            return state if isinstance(state, dict) else {}
        except (OSError, ValueError):
            return {}

    def _ports(self, name: str) -> dict[str, int]:
        ports: dict[str, int] = self._state().get("ports", {}).get(name, {})
        return ports if set(ports) >= set(self.services[name].preferred_ports) else {}

    def _started(self, name: str) -> dict[str, int]:
        self.endpoint(name)
        return self._ports(name)

    def _assign_ports(self, one: Service, say: Say) -> dict[str, int]:
        """Give a service its old ports, else the usual ones, else free ones; keep them in the state file."""
        old = self._ports(one.name)
        info = self.supervisor.info(one.name)
        own = bool(info and info.pid and alive(info.pid))  # then it is the service itself that holds them
        state = self._state()
        taken = {port for name, ports in state.get("ports", {}).items() if name != one.name for port in ports.values()}
        explicit = explicit_port(one.name)
        if explicit and not (own and old.get("main") == explicit) and not is_free(explicit):
            raise OrreryError(
                f"port {explicit} is taken (asked for by {port_variable(one.name)})",
                next_step=f"stop what listens there, or unset {port_variable(one.name)}",
            )
        ports: dict[str, int] = {}
        for label, usual in one.preferred_ports.items():
            wanted = [explicit] if label == "main" and explicit else [old.get(label, usual), usual]
            # The kernel's own choice would come and go with everybody's outgoing connections.
            for port in (*wanted, *(usual + 100 * step for step in range(1, 100))):
                ours = own and old.get(label) == port
                if port not in taken and (ours or is_free(port)):
                    ports[label] = port
                    taken.add(port)
                    break
            if old and old.get(label) != ports[label] and label == "main":
                say(f"port {old[label]} is taken, {one.name} moves to {ports[label]}")
        if ports != old:
            state.setdefault("ports", {})[one.name] = ports
            write_private(self.place.home / "state.json", json.dumps(state, indent=1))
        return ports


def cut_owner(region: str) -> str:
    """Return whose fault it is when a user cuts a region off."""
    if region not in REGIONS:
        raise OrreryError(f"region {region!r} has no port of its own", next_step=f"use one of: {', '.join(REGIONS)}")
    return f"region-{region}"


def interpreter(environment: str, say: Say) -> Path:
    """Return the interpreter of an environment, which is made when it is missing."""
    override = os.environ.get(f"ORRERY_ENV_{environment.upper()}")
    if override:
        return Path(override)
    from infra import envs

    return envs.ensure(environment, say)


def without_proxy() -> dict[str, str]:
    """Return what keeps calls to this machine away from the user's proxy."""
    names = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or "", "127.0.0.1", "localhost"]
    value = ",".join(name for name in names if name)
    return {"NO_PROXY": value, "no_proxy": value}


def port_variable(name: str) -> str:
    """Return the environment variable that sets a service's port."""
    return f"ORRERY_{name.upper()}_PORT"


def explicit_port(name: str) -> int:
    """Return the port that the user asked for, or 0."""
    value = os.environ.get(port_variable(name), "")
    if not value:
        return 0
    if not value.isdigit() or not 1 <= int(value) <= 65535:
        raise OrreryError(f"{port_variable(name)}={value} is not a port", next_step="use a number from 1024 to 65535")
    return int(value)


def memory_of(pid: int) -> float:
    """Return the resident memory of a process and its children, in MB."""
    import psutil

    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:
        pass
    return round(total / 1e6, 1)


def mentions(process: Any, folder: Path) -> bool:
    """Tell whether a process was started on a folder."""
    import psutil

    try:
        return any(argument.startswith((str(folder), str(folder.resolve()))) for argument in process.cmdline())
    except psutil.Error:
        return False


def tail(path: Path, lines: int = 30) -> str:
    """Return a log's last lines."""
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
