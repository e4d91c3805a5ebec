"""A drill in a real account: what AWS can break of a stack, what it can't, and how all of it is undone.

Nothing of it was ever run against an account; docs/drills.md says what is tested and how. What AWS offers is used as it
is, and is less than the local cloud's faults:

- A region refuses, hangs or answers with errors: its function gets a reserved concurrency of 0, so it takes no call.
  That strikes the API and the health check; the data plane goes on. (Lambda Developer Guide, "Configuring reserved
  concurrency".)
- Replication of a region hangs: the Fault Injection Service pauses it, of the table and of the buckets, for so many
  minutes. (FIS User Guide, "AWS FIS Actions reference"; read in November 2026 from stored copies.) The guide says that
  tables may be replicated for up to 5 minutes more, and objects for up to an hour.

What has to be undone is written to a file before anything is changed; see `Undo`.
"""

from __future__ import annotations

import json
import math
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from infra.drill.experiment import length_s, placed
from infra.drill.ground import Breaking, Context
from infra.drill.resolver import Record, Resolver, deployed
from infra.errors import OrreryError
from infra.signals import sigterm_raises

if TYPE_CHECKING:
    from infra.local.faults import Fault

FILE = "faults.json"
"""The file beside a stack's state that says what to undo."""

Clients = Callable[[str, str], Any]
"""Returns a boto3 client of a service in a region."""

TAG = "orrery-drill"
"""What experiments of the Fault Injection Service wear, so that those of a drill that was killed are found."""
STARTS_S = 300.0
"""How long the Fault Injection Service may take to begin, or to end."""
LEASE_MINUTES = 5
"""How much longer than the experiment a pause may last: for the start, for an operator's steps."""
ENDED = ("completed", "stopped", "failed", "cancelled")

HOMES = {"us-east-1": "52.0.0.0", "eu-west-1": "52.16.0.0"}
"""By region: an address within it, as a client there would have. From Amazon's ip-ranges.json: 52.0.0.0/15 and
52.16.0.0/15 are EC2's of these regions. A stack names others in ``[settings.drill.aws.homes]``."""
ASK_S = 2.0
"""How often each home asks for the name. Route 53 takes 10 requests a second of an account, and took 5 until 2026."""


@dataclass(frozen=True)
class Parts:
    """The parts of a deployed stack that a drill strikes.

    Parameters
    ----------
    stack : str
        The stack's slug.
    account : str
        Twelve digits.
    functions : mapping
        By region: the name of the function behind the API.
    table : str
        The global table.
    buckets : mapping
        By region: the bucket that is replicated.
    tags : mapping
        What these buckets wear and no other bucket does: the Fault Injection Service finds buckets by tags only.
    role : str
        The ARN of the role that pauses replication; empty where there is none.
    homes : mapping
        By region: the address of a client there.
    """

    stack: str
    account: str
    functions: Mapping[str, str]
    table: str
    buckets: Mapping[str, str]
    tags: Mapping[str, str]
    role: str = ""
    homes: Mapping[str, str] = field(default_factory=dict)


class Strike(NamedTuple):
    """What is done for a fault: ``function`` or ``replication``, and of which region."""

    kind: str
    region: str

    def __str__(self) -> str:
        """Return it in words."""
        if self.kind == "function":
            return f"the function of {self.region} takes no calls (reserved concurrency 0)"
        return f"replication from and to {self.region} is paused (Fault Injection Service)"


def strike_of(fault: Fault | Mapping[str, Any]) -> Strike | None:
    """Return what AWS can do for a fault, None for nothing."""
    table = fault if isinstance(fault, Mapping) else fault.as_table()
    kind, region, service = table["kind"], table.get("region", ""), table.get("service", "")
    if not region or table.get("operation") or table.get("share", 1) != 1:
        return None
    if kind in ("refuse", "hang", "error") and not service:
        return Strike("function", region)
    return Strike("replication", region) if kind == "hang" and service == "replication" else None


def refuse(experiment: Mapping[str, Any], file: Path, parts: Parts) -> list[Strike]:
    """Return what an experiment strikes, in its order, or refuse it before anything starts.

    Raises
    ------
    OrreryError
        AWS has nothing for one of its faults, or the stack lacks what it takes: with file and line.
    """
    found = []
    for place, fault in placed(experiment, file):
        strike = strike_of(fault)
        if strike is None:
            article = "an" if fault["kind"][0] in "aeiou" else "a"
            what = f"{article} {fault['kind']} of {fault.get('service') or 'a region'}"
            share = f", for {fault['share']:.0%} of the calls" if fault.get("share", 1) != 1 else ""
            raise OrreryError(
                f"{place}: {what} is not to be had on AWS{share}: it takes functions out of service and pauses "
                "replication, whole regions at a time",
                next_step=f"on AWS there are: {', '.join(runnable(file)) or 'none of this stack'}",
            )
        if strike.kind == "function" and strike.region not in parts.functions:
            raise OrreryError(
                f"{place}: no function of {strike.region} is known to strike",
                next_step="name it in stack.toml, [settings.drill.aws.functions]",
            )
        if strike.kind == "replication" and not parts.role:
            raise OrreryError(
                f"{place}: to pause replication takes a role, and the stack has none",
                next_step="deploy it: SET=drill_role=true",
            )
        found.append(strike)
    return list(dict.fromkeys(found))


def runnable(file: Path) -> list[str]:
    """Return the names of the experiments beside a file whose faults AWS can all do."""
    found = []
    for each in sorted(file.parent.glob("*.json")):
        try:
            faults = [fault for _, fault in placed(json.loads(each.read_text()), each)]
        except (ValueError, KeyError, TypeError):
            continue  # it is refused where it is asked for
        if all(strike_of(fault) for fault in faults):
            found.append(each.stem)
    return found


# ------------------------------------------------------------------------------------------- undoing


class Undo:
    """What has to be undone, in a file: it is there before anything is changed, and gone when nothing is left.

    Parameters
    ----------
    file : Path
        In the stack's state folder.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> list[dict[str, Any]]:
        """Return what is left to undo, oldest first.

        Raises
        ------
        OrreryError
            The file can't be read.
        """
        try:
            found: list[dict[str, Any]] = json.loads(self.file.read_text())
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise OrreryError(
                f"{self.file} can't be read: {error}",
                next_step="see by hand: the functions' reserved concurrency, the Fault Injection Service's experiments",
            ) from error
        return found

    def add(self, entry: Mapping[str, Any]) -> None:
        """Keep an entry, before what it undoes is done."""
        self._write([*self.read(), dict(entry)])

    def drop(self, entry: Mapping[str, Any]) -> None:
        """Forget an entry that is undone."""
        self._write([each for each in self.read() if each != entry])

    def _write(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if not entries:
            self.file.unlink(missing_ok=True)
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.file.with_name(f".{self.file.name}.new")
        temporary.write_text(json.dumps(list(entries), indent=1))
        temporary.chmod(0o600)
        temporary.replace(self.file)


def mend(undo: Undo, clients: Clients, account: str, say: Callable[[str], None], poll_s: float = 2.0) -> None:
    """Undo what a drill left; what can't be undone stays written down.

    Parameters
    ----------
    undo : Undo
        What is left.
    clients : callable
        Returns a client of a service in a region.
    account : str
        The one that the clients are of.
    say : callable
        Hears a line for each thing that is undone.
    poll_s : float
        Between two looks at an experiment that ends.

    Raises
    ------
    OrreryError
        Something could not be undone; the others are.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    failed = []
    for entry in reversed(undo.read()):
        if entry["account"] != account:
            failed.append(
                f"{entry['kind']} of {entry['region']}: it is in account {entry['account']}, not in {account}"
            )
            continue
        try:
            said = _restore(entry, clients) if entry["kind"] == "function" else _resume(entry, clients, poll_s)[0]
        except (BotoCoreError, ClientError, OrreryError) as error:
            failed.append(f"{entry['kind']} of {entry['region']}: {getattr(error, 'what', error)}")
            continue
        undo.drop(entry)
        say(said)
    if failed:
        raise OrreryError(
            f"not undone: {'; '.join(failed)}",
            next_step="the stack is still broken there; again: ./orrery drill STACK --target aws --mend",
        )


def _restore(entry: Mapping[str, Any], clients: Clients) -> str:
    """Give a function back the concurrency that it had."""
    client, name, before = clients("lambda", entry["region"]), entry["function"], entry["before"]
    if before is None:
        client.delete_function_concurrency(FunctionName=name)
    else:
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=before)
    return f"{name} takes calls again (reserved concurrency {'none' if before is None else before})"


def _resume(entry: Mapping[str, Any], clients: Clients, poll_s: float) -> tuple[str, bool]:
    """Stop a drill's experiments and remove their templates; say so, and whether all of them had still been running.

    They are found by their tag, so that one whose id nobody could write down is found too.
    """
    held = True
    for region in entry["at"]:
        fis = clients("fis", region)
        for page in fis.get_paginator("list_experiments").paginate():
            for each in page["experiments"]:
                if each.get("tags", {}).get(TAG) != entry["tag"]:
                    continue
                status = each["state"]["status"]
                if status in ENDED:
                    held = False
                elif status != "stopping":
                    fis.stop_experiment(id=each["id"])
                if status not in ENDED:
                    _until(fis, each["id"], ENDED, poll_s)
        for page in fis.get_paginator("list_experiment_templates").paginate():
            for each in page["experimentTemplates"]:
                if each.get("tags", {}).get(TAG) == entry["tag"]:
                    fis.delete_experiment_template(id=each["id"])
    return f"replication from and to {entry['region']} goes on", held


def _until(fis: Any, experiment: str, wanted: Sequence[str], poll_s: float) -> None:
    """Wait until an experiment of the Fault Injection Service is in one of some states."""
    deadline = time.monotonic() + STARTS_S
    while True:
        state = fis.get_experiment(id=experiment)["experiment"]["state"]
        if state["status"] in wanted:
            return
        if state["status"] in ENDED:
            raise OrreryError(
                f"the experiment of the Fault Injection Service {state['status']}: {state.get('reason', 'no reason')}",
                next_step="see it in the console, under the tag " + TAG,
            )
        if time.monotonic() > deadline:
            raise OrreryError(
                f"the experiment of the Fault Injection Service is {state['status']} since {STARTS_S:.0f} s",
                next_step="see it in the console, under the tag " + TAG,
            )
        threading.Event().wait(poll_s)


# ------------------------------------------------------------------------------------------- breaking


class AwsFaults:
    """Strikes a stack, and undoes it; see `infra.drill.ground.Breaking`.

    Parameters
    ----------
    parts : Parts
        What there is to strike.
    clients : callable
        Returns a client of a service in a region.
    undo : Undo
        Where it is written what to undo.
    minutes : int
        How long a pause of replication lasts where nobody ends it.
    poll_s : float
        Between two looks at an experiment that begins or ends.
    """

    def __init__(self, parts: Parts, clients: Clients, undo: Undo, minutes: int, poll_s: float = 2.0) -> None:
        self.parts, self.clients, self.undo, self.minutes, self.poll_s = parts, clients, undo, minutes, poll_s
        self._on: dict[Strike, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._lost = ""

    def set(self, wanted: Sequence[Fault]) -> None:
        """Strike what is wanted and not struck yet; undo what is struck and not wanted any more.

        Raises
        ------
        OrreryError
            AWS has nothing for one of them, or does not do it.
        """
        strikes = {fault: strike_of(fault) for fault in wanted}
        for fault, strike in strikes.items():
            if strike is None:
                raise OrreryError(f"AWS has nothing for this fault: {fault}", next_step="see docs/drills.md, On AWS")
        # A pause takes its time to begin, a function does not: so that the fault begins when all of it is there.
        new = sorted((each for each in set(strikes.values()) if each), key=lambda one: one.kind, reverse=True)
        with self._lock:
            for each in [one for one in self._on if one not in new]:
                self._end(each)
            for each in new:
                if each not in self._on:
                    self._begin(each)

    def end(self) -> None:
        """Undo everything.

        Raises
        ------
        OrreryError
            Something could not be undone; it stays written down.
        """
        with self._lock:
            mend(self.undo, self.clients, self.parts.account, lambda line: None, self.poll_s)
            self._on.clear()

    def check(self) -> None:
        """Raise where a pause ended by itself while it was needed: what was measured then means nothing."""
        if self._lost:
            raise OrreryError(self._lost, next_step="a shorter experiment, or a longer lease: see infra/drill/aws.py")

    def _begin(self, strike: Strike) -> None:
        strike_it = self._stop_function if strike.kind == "function" else self._pause
        self._on[strike] = strike_it(strike.region)

    def _end(self, strike: Strike) -> None:
        entry = self._on.pop(strike)
        if strike.kind == "function":
            _restore(entry, self.clients)
        else:
            said, held = _resume(entry, self.clients, self.poll_s)
            if not held:
                self._lost = f"{said}: the pause had ended before it was to"
        self.undo.drop(entry)

    def _stop_function(self, region: str) -> dict[str, Any]:
        client, name = self.clients("lambda", region), self.parts.functions[region]
        before = client.get_function_concurrency(FunctionName=name).get("ReservedConcurrentExecutions")
        if before == 0:
            raise OrreryError(
                f"{name} takes no calls already, and not because of this drill",
                next_step="give it its concurrency back first; `make drift STACK=… TARGET=aws` says what it was",
            )
        entry = {**self._entry("function", region), "function": name, "before": before}
        self.undo.add(entry)
        client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
        return entry

    def _pause(self, region: str) -> dict[str, Any]:
        """Pause the table's replication of a region, and that of the buckets both ways, and wait until it is so."""
        others = [each for each in self.parts.buckets if each != region]
        tag = f"{self.parts.stack}/{region}/{uuid.uuid4().hex[:8]}"
        entry = {**self._entry("replication", region), "at": [region, *others], "tag": tag}
        self.undo.add(entry)
        started = []
        for at in (region, *others):
            fis = self.clients("fis", at)
            template = fis.create_experiment_template(**self._template(at, region, tag))["experimentTemplate"]["id"]
            begun = fis.start_experiment(clientToken=str(uuid.uuid4()), experimentTemplateId=template, tags={TAG: tag})
            started.append((fis, begun["experiment"]["id"]))
        for fis, experiment in started:
            _until(fis, experiment, ("running",), self.poll_s)
        return entry

    def _entry(self, kind: str, region: str) -> dict[str, Any]:
        return {"kind": kind, "region": region, "account": self.parts.account}

    def _template(self, at: str, struck: str, tag: str) -> dict[str, Any]:
        """Return the experiment of one region: the Fault Injection Service acts within its own."""
        parts, duration = self.parts, f"PT{self.minutes}M"
        targets: dict[str, Any] = {
            "bucket": {"resourceType": "aws:s3:bucket", "resourceTags": dict(parts.tags), "selectionMode": "ALL"}
        }
        actions: dict[str, Any] = {}
        for other in [each for each in parts.buckets if each != at and struck in (at, each)]:
            actions[f"bucket-to-{other}"] = {
                "actionId": "aws:s3:bucket-pause-replication",
                "parameters": {"duration": duration, "region": other, "destinationBuckets": parts.buckets[other]},
                "targets": {"Buckets": "bucket"},
            }
        if at == struck:
            targets["table"] = {
                "resourceType": "aws:dynamodb:global-table",
                "resourceArns": [f"arn:aws:dynamodb:{at}:{parts.account}:table/{parts.table}"],
                "selectionMode": "ALL",
            }
            actions["table"] = {
                "actionId": "aws:dynamodb:global-table-pause-replication",
                "parameters": {"duration": duration},
                "targets": {"Tables": "table"},
            }
        return {
            "clientToken": str(uuid.uuid4()),
            "description": f"Drill of {parts.stack}: replication from and to {struck} is paused.",
            "stopConditions": [{"source": "none"}],
            "roleArn": parts.role,
            "targets": targets,
            "actions": actions,
            "tags": {TAG: tag},
        }


# ------------------------------------------------------------------------------------------- answering


class AwsResolver(Resolver):
    """Asks Route 53 what it answers to a client of each region: `TestDNSAnswer`, which needs no delegated domain.

    That it counts health checks, as the name servers do, is from memory: Amazon's guide says that the tool answers by
    the settings of the records. Where it does not, the alarm of the health check fires and no answer moves.

    Parameters
    ----------
    route53 : boto3 client
        Of the account.
    zone, name : str
        The hosted zone's id and the full name of the record.
    homes : mapping
        By region: the address of a client there.
    note : callable
        Is told when a region becomes ``unhealthy`` or ``healthy``: when the answer for its own clients moves.
    ask_s : float
        Between two questions of each home.

    Raises
    ------
    OrreryError
        No address of a region is known, or Route 53 leads the client there to another one before anything is broken.
    """

    def __init__(
        self,
        route53: Any,
        zone: str,
        name: str,
        homes: Mapping[str, str],
        note: Callable[[str, str], None],
        ask_s: float = ASK_S,
    ) -> None:
        super().__init__(deployed(route53, zone, name), lambda region, patience_s: True, note)
        self._route53, self._zone, self._name, self._homes, self._ask_s = route53, zone, name, homes, ask_s
        self._hosts: dict[str, str] = {}
        for page in route53.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone):
            for each in page["ResourceRecordSets"]:
                if each["Name"].rstrip(".") == name and each.get("Region"):
                    self._type = each["Type"]
                    self._hosts |= {one["Value"].rstrip("."): each["Region"] for one in each.get("ResourceRecords", [])}
        self._answers = {home: self._first(home) for home in self.records}

    @property
    def healthy(self) -> list[str]:
        """The regions that their own clients are led to, and all where none is."""
        return [home for home, region in self._answers.items() if home == region] or list(self._answers)

    def answer(self, home: str) -> tuple[str, float]:
        """Return the region that a client was led to when last asked, and how long to remember it, in seconds."""
        region = self._answers[home]
        return region, self.records[region].ttl_s

    def _first(self, home: str) -> str:
        if home not in self._homes:
            raise OrreryError(
                f"no address of a client in {home} is known",
                next_step="name one in stack.toml, [settings.drill.aws.homes]: see Amazon's ip-ranges.json",
            )
        found = self._led_to(home)
        if found != home:
            raise OrreryError(
                f"Route 53 leads a client at {self._homes[home]} to {found or 'none of the regions'}, not to {home}",
                next_step="is the region well? Or name another address in stack.toml, [settings.drill.aws.homes]",
            )
        return found

    def _led_to(self, home: str) -> str:
        found = self._route53.test_dns_answer(
            HostedZoneId=self._zone,
            RecordName=self._name,
            RecordType=self._type,
            EDNS0ClientSubnetIP=self._homes[home],
        )
        return next(
            (self._hosts[host] for each in found["RecordData"] if (host := each.rstrip(".")) in self._hosts), ""
        )

    def _watch(self, record: Record) -> None:
        """Ask for one home until the end; a question that fails says nothing."""
        from botocore.exceptions import BotoCoreError, ClientError

        home = record.region
        while not self._stop.wait(self._ask_s):
            try:
                now = self._led_to(home)
            except (BotoCoreError, ClientError):
                continue
            before = self._answers[home]
            if now and now != before:
                self._answers[home] = now
                if home in (now, before):
                    self._note("healthy" if now == home else "unhealthy", home)


# ------------------------------------------------------------------------------------------- the ground


class AwsGround:
    """A real account; see `infra.drill.ground.Ground`.

    Parameters
    ----------
    context : Context
        The deployed stack.
    parts : Parts
        What there is to strike.
    file : Path
        Where it is written what to undo.
    experiment : mapping
        What will be run.
    clients : callable, optional
        Returns a client of a service in a region; those of the context by default.
    """

    where = "in an AWS account"
    settle_s = 1200.0
    """S3 with time control promises 15 minutes; the rest is for what a pause held up."""
    look_s = 5.0
    """Each look reads all keys in each region, and is paid."""
    fire_s = 300.0
    """A health check's metric and its alarm count by the minute."""
    clear_s = 600.0
    lasting: Sequence[str] = ()
    trial_most = 10.0
    ask_s = ASK_S
    """How often each home asks for the name."""
    poll_s = 2.0
    """Between two looks at an experiment of the Fault Injection Service."""

    def __init__(
        self,
        context: Context,
        parts: Parts,
        file: Path,
        experiment: Mapping[str, Any],
        clients: Clients | None = None,
    ) -> None:
        self.context, self.parts, self.undo, self.experiment = context, parts, Undo(file), experiment
        self.clients = clients or operator(context)

    def resolver(
        self,
        zone: str,
        name: str,
        healthy: Callable[[str, float], bool],
        note: Callable[[str, str], None],
        report: Callable[[Record, bool], None],
    ) -> Resolver:
        """Return who asks Route 53; its own checkers look at the regions' health and write the metric."""
        route53 = self.clients("route53", self.context.regions[0])
        return AwsResolver(route53, zone, name, {**HOMES, **self.parts.homes}, note, self.ask_s)

    @contextmanager
    def held(self, name: str) -> Iterator[Breaking]:
        """Hold strikes for as long as a block runs; a drill that was killed before left none, or is refused."""
        if self.undo.read():
            raise OrreryError(
                "a drill that was killed left something broken",
                next_step="./orrery drill STACK --target aws --mend",
            )
        faults = AwsFaults(self.parts, self.clients, self.undo, lease_minutes(self.experiment), self.poll_s)
        with sigterm_raises():
            try:
                yield faults
                faults.check()
            finally:
                faults.end()

    def fault(self, description: str) -> str:
        """Return the description, and that something else stood for it."""
        return f"“{description}” What stood for that is said below."

    def facts(self) -> list[str]:
        """Return what was real, and what each fault stood for."""
        strikes = dict.fromkeys(strike_of(fault) for fault in faults_of(self.experiment))
        return [
            f"Account {self.parts.account}: function, API, table, buckets, alarms, replication and latency are real; "
            "clients call from this machine, wherever their home is.",
            "The name is what Route 53 answers to an address in each home (TestDNSAnswer), asked every "
            f"{self.ask_s:g} s: a change is seen up to so much later. Its own checkers look at health.",
            *[f"What stood for the fault: {each}." for each in strikes],
            *notes([each for each in strikes if each]),
        ]


def operator(context: Context) -> Clients:
    """Return how an operator makes clients: patient, and trying again."""
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=5, read_timeout=30)
    return lambda service, region: context.client(service, region, operator=True, config=config)


def lease_minutes(experiment: Mapping[str, Any]) -> int:
    """Return for how many minutes replication is paused at most."""
    return math.ceil(length_s(experiment) / 60) + LEASE_MINUTES


def faults_of(experiment: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the faults of an experiment."""
    return [fault for each in experiment["method"] for fault in each["provider"].get("arguments", {}).get("faults", [])]


def notes(strikes: Sequence[Strike]) -> list[str]:
    """Return what strikes on AWS do not do, for the plan and for the report."""
    kinds, found = {each.kind for each in strikes}, []
    if "function" in kinds:
        found.append(
            "A function that takes no calls is answered for at once, with an error: nothing hangs, and no connection "
            "is refused. Only what goes through the API is struck, with the health check; clients of the table and of "
            "the buckets go on in the region until the name leads them away."
        )
    if "replication" in kinds:
        found.append(
            "After a pause begins, AWS may replicate tables for up to 5 minutes more and objects for up to an hour: a "
            "short fault may not be seen."
        )
    return found
