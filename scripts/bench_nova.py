"""Measure 10_nova from the shop's database to the local warehouse, and write its part of docs/benchmarks.md.

``python scripts/bench_nova.py`` runs in the environment ``test`` and starts a local cloud of its own in a temporary
folder; what the stack's programs do runs in the environment ``nova``, as in a deployment. What is measured:

* snapshot: a shop with many rows, from the moment when the connector is made until the warehouse has them all;
* lag: for some seconds at each rate, from the moment at which the shop changed a row until the merge made that visible;
* backlog: the shop works while loader and merge are stopped. How fast Debezium brings it to Kafka, then how fast loader
  and merge, both together, drain it. Shop and warehouse are compared afterwards; a difference ends the script;
* outage: the warehouse is stopped for two minutes while the shop works at the rate of the goal. How much memory loader
  and merge use meanwhile, and how long it takes until all is level again;
* cost at the source: the same load, as fast as one session can, with the connector paused and at work, in turns.
  On a machine whose cores Debezium shares, the wall clock says how much is taken from the shop; the CPU time of
  the database's own processes says what capturing costs the database.

Beside the wall clock stand CPU seconds of each part, which other work on the machine disturbs less.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "stacks" / "10_nova" / "src")]

PAGE = ROOT / "docs" / "benchmarks.md"
TABLES = ("customers", "orders", "order_lines", "payments")
ENGINES = {"mysql": "MariaDB", "postgres": "PostgreSQL"}
PARTS = ("source", "debezium", "kafka", "snowflake", "loader and merge")
LAG_GOAL_S, LAG_GOAL_RATE, DRAIN_GOAL, COST_GOAL = 3.0, 500, 3_000, 0.10
OUTAGE_MARGIN_S, OUTAGE_GROWTH_MB = 20, 64
"""How long the warehouse is there before it goes, in seconds, and how much more memory may be used from then on."""
FAR_S = 3_600.0


@dataclass
class Clock:
    """What a stretch of work took: seconds, and CPU seconds of each part."""

    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)


class Bench:
    """One source, its pipeline, and a warehouse.

    Parameters
    ----------
    cloud : infra.local.Cloud
    engine : str
        ``mysql`` or ``postgres``.
    folder : Path
    """

    def __init__(self, cloud: Any, engine: str, folder: Path) -> None:
        shops = importlib.import_module("stacks.10_nova.tests.shops")
        self.cloud, self.engine = cloud, engine
        self.shop = shops.Shop(cloud, f"bench{engine}", engine, folder / engine)
        self.lags = folder / engine / "lags"
        self.lags.touch()
        self.follower: Any = None
        self.counter: subprocess.Popen[str] | None = None

    # -- helpers ---------------------------------------------------------------------------------------------------

    def program(self, *arguments: str) -> dict[str, Any]:
        """Run a program of the stack to its end, however long it takes; return the last event that it logged."""
        one = self.shop.start(*arguments)
        code = one.process.wait(timeout=FAR_S)
        if code:
            raise SystemExit(f"{' '.join(arguments)} ended with {code}:\n{one.said}")
        return dict(one.events[-1]) if one.events else {}

    def follow(self) -> None:
        """Start loader and merge."""
        self.follower = self.shop.start("nova.pipeline", "follow", "--lags", str(self.lags))

    def unfollow(self) -> None:
        """Stop loader and merge."""
        code = self.follower.stop()
        if code:
            raise SystemExit(f"loader and merge ended with {code}:\n{self.follower.said}")
        self.follower = None

    def level(self) -> None:
        """Wait until all is merged that the shop has committed."""
        self.program("nova.pipeline", "wait", "--seconds", str(FAR_S))

    def produced(self) -> int:
        """Return how many changes of the four tables are in Kafka; a process of its own counts whenever it is asked."""
        from infra import envs

        if self.counter is None:
            command = [str(envs.ensure("nova")), "-P", __file__, "--inner", "produced"]
            self.counter = subprocess.Popen(
                command, env=self.shop.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
        assert self.counter.stdin and self.counter.stdout
        print(file=self.counter.stdin, flush=True)
        return int(self.counter.stdout.readline())

    def end(self) -> None:
        """End what still runs."""
        if self.follower:
            self.follower.kill()
        if self.counter:
            self.counter.communicate("", timeout=30)

    def until(self, wanted: Callable[[], bool], what: str) -> None:
        """Wait for something; an hour is too long."""
        end = time.monotonic() + FAR_S
        while not wanted():
            if time.monotonic() > end:
                raise SystemExit(f"waited in vain until {what}: {self.shop.worker.status(self.shop.name)}")
            time.sleep(0.2)

    @contextmanager
    def clock(self) -> Iterator[Clock]:
        """Measure what is done within."""
        before, taken = self._cpu(), Clock()
        yield taken
        taken.seconds = time.monotonic() - taken.started
        after = self._cpu()
        taken.cpu = {name: after[name] - before.get(name, 0.0) for name in after}

    def _cpu(self) -> dict[str, float]:
        """Return the CPU seconds that each part has used so far."""
        import psutil

        pids = {one.name: one.pid for one in self.cloud.status() if one.pid}
        named = {"source": pids[self.engine], **{name: pids[name] for name in ("debezium", "kafka", "snowflake")}}
        if self.follower:
            named["loader and merge"] = self.follower.process.pid
        found = {}
        for name, pid in named.items():
            times = psutil.Process(pid).cpu_times()
            # PostgreSQL works in children; those that ended are in the parent's account of them.
            every = [times.user + times.system + times.children_user + times.children_system]
            for child in psutil.Process(pid).children(recursive=True):
                own = child.cpu_times()
                every.append(own.user + own.system)
            found[name] = sum(every)
        return found

    def prepare(self) -> None:
        """Make the shop's tables, the topics, the warehouse and its views; Debezium logs in as the shop's owner."""
        from jobs.connectors import write_secrets

        self.program("nova.source", "make")
        owner = self.shop.database
        write_secrets(self.shop.secret, {"user": owner.user, "password": owner.password})
        topics = self.shop.folder / "topics.json"
        topics.write_text(json.dumps(self.shop.modules["stream"]["topics"]))
        self.program("jobs.kafka_topics", "apply", "--topics", str(topics))
        self.program("nova.merge", "--once")
        self.program("nova.views", "sync")

    # -- what is measured ------------------------------------------------------------------------------------------

    def snapshot(self, rows: int) -> dict[str, Any]:
        """Measure the first reading of a shop with many rows."""
        self.prepare()
        self.program("nova.workload", "fill", "--rows", str(rows), "--no-truth")
        rows = sum(int(self.shop.sql(f"select count(*) from {table}")[0][0]) for table in TABLES)
        self.follow()
        with self.clock() as taken:
            self.shop.connect()
            self.until(lambda: self.produced() >= rows, "the snapshot is in Kafka")
            read = time.monotonic() - taken.started
            self.level()
        self.compare()
        return {"rows": rows, "read_s": read, "seconds": taken.seconds, "cpu": taken.cpu}

    def lag(self, rate: int, seconds: int) -> dict[str, Any]:
        """Measure how late the warehouse is while the shop changes so many rows a second."""
        begin = self.lags.stat().st_size
        with self.clock() as taken:
            work = ("--calm", "--sessions", "2", "--rate", str(rate), "--seconds", str(seconds), "--seed", str(rate))
            done = self.program("nova.workload", "run", *work)
        self.level()
        with open(self.lags) as file:
            file.seek(begin)
            lags = sorted(float(line) / 1000 for line in file)
        found = {f"p{part}": lags[min(len(lags) - 1, len(lags) * part // 100)] for part in (50, 95, 99)}
        return {
            "rate": rate,
            "reached": done["changes"] / done["seconds"],
            "rows": len(lags),
            **found,
            "cpu": taken.cpu,
        }

    def backlog(self, changes: int) -> dict[str, Any]:
        """Measure how fast Debezium brings a backlog to Kafka, and loader and merge drain it."""
        self.level()
        self.unfollow()
        before = self.produced()
        work = ("--calm", "--orders-each", "10", "--sessions", "2", "--changes", str(changes), "--seed", "90")
        with self.clock() as captured:
            done = self.program("nova.workload", "run", *work)
            self.until(lambda: self.produced() - before >= done["changes"], "the backlog is in Kafka")
        self.follow()
        with self.clock() as drained:
            self.level()
        self.compare()
        return {
            "changes": done["changes"],
            "work_s": done["seconds"],
            "captured_s": captured.seconds,
            "captured_cpu": captured.cpu,
            "drained_s": drained.seconds,
            "drained_cpu": drained.cpu,
        }

    def outage(self, rate: int, seconds: int) -> dict[str, Any]:
        """Measure what loader and merge keep in memory while the warehouse is away, and how soon it is level again."""
        import psutil

        self.level()
        process = psutil.Process(self.follower.process.pid)
        long = str(OUTAGE_MARGIN_S + seconds)
        most = {"before": 0.0, "away": 0.0, "after": 0.0}
        work = self.shop.start(
            "nova.workload", "run", "--calm", "--sessions", "2", "--rate", str(rate), "--seconds", long, "--seed", "120"
        )

        def watch(name: str, done: Callable[[], bool]) -> None:
            while not done():
                most[name] = max(most[name], process.memory_info().rss / 2**20)
                time.sleep(0.2)

        def past(duration: float) -> Callable[[], bool]:
            ends = time.monotonic() + duration
            return lambda: time.monotonic() > ends

        watch("before", past(OUTAGE_MARGIN_S))
        self.cloud.down(["snowflake"])
        watch("away", past(seconds))
        self.cloud.up(["snowflake"])
        back = time.monotonic()
        if work.process.wait(timeout=FAR_S):
            raise SystemExit(f"the workload failed:\n{work.said}")
        waiting = self.shop.start("nova.pipeline", "wait", "--seconds", str(FAR_S))
        watch("after", lambda: not waiting.running)
        if waiting.process.returncode:
            raise SystemExit(f"it did not get level:\n{waiting.said}")
        took = time.monotonic() - back
        self.compare()
        return {"rate": rate, "seconds": seconds, "memory_mb": most, "level_s": took}

    def cost(self, changes: int, rounds: int) -> dict[str, Any]:
        """Measure the shop with the connector paused and with it at work, in turns."""
        self.level()
        self.unfollow()
        found: dict[str, Any] = {"paused": [], "working": [], "paused_cpu": [], "working_cpu": []}
        expected = self.produced()
        for number in range(2 * rounds):
            how = "working" if number % 2 else "paused"
            if how == "paused":
                self.shop.worker.pause(self.shop.name)
                self.until(lambda: self.shop.worker.status(self.shop.name).state == "PAUSED", "the connector pauses")
            else:
                self.shop.worker.resume(self.shop.name)
                self.until(partial(self._has, expected), "the connector has caught up")
            before = self._cpu()["source"]
            done = self.program(
                "nova.workload", "run", "--calm", "--sessions", "1", "--changes", str(changes), "--seed", str(number)
            )
            used = self._cpu()["source"] - before
            expected += done["changes"]
            found[how].append(done["changes"] / done["seconds"])
            found[f"{how}_cpu"].append(used / done["changes"] * 1e6)
        return found | {"changes": changes}

    def _has(self, changes: int) -> bool:
        return self.produced() >= changes

    def compare(self) -> None:
        """End the script if the warehouse is not as the shop."""
        self.program("nova.compare")


# -- the report -------------------------------------------------------------------------------------------------------


def milliseconds(cpu: dict[str, float], events: float) -> str:
    """Say how many CPU milliseconds each part used for an event."""
    return ", ".join(f"{name} {cpu[name] / events * 1e3:.2f}" for name in PARTS if name in cpu)


def report(found: dict[str, dict[str, Any]]) -> str:
    """Return the section: what was measured, and which goals were kept."""
    lines: list[str] = []
    goals: list[tuple[str, bool]] = []
    for engine, each in found.items():
        name, shot, log, cost = ENGINES[engine], each["snapshot"], each["backlog"], each["cost"]
        lines += [f"**{name}**", ""]
        lines.append(
            f"Snapshot: {shot['rows']:,} rows in {shot['seconds']:.0f} s,"
            f" {shot['rows'] / shot['seconds']:,.0f} rows/s; after {shot['read_s']:.0f} s all were in Kafka."
            f" CPU ms a row: {milliseconds(shot['cpu'], shot['rows'])}."
        )
        lines += ["", "| changes/s wanted | reached | rows measured | lag p50, s | p95, s | p99, s |"]
        lines.append("|--:|--:|--:|--:|--:|--:|")
        for one in each["lag"]:
            lag = " | ".join(f"{one[part]:.2f}" for part in ("p50", "p95", "p99"))
            lines.append(f"| {one['rate']:,} | {one['reached']:,.0f} | {one['rows']:,} | {lag} |")
            if one["rate"] == LAG_GOAL_RATE:
                goals.append((f"{name}: p99 ≤ {LAG_GOAL_S:.0f} s at {LAG_GOAL_RATE}/s", one["p99"] <= LAG_GOAL_S))
        drained = log["changes"] / log["drained_s"]
        lines += [
            "",
            f"Backlog of {log['changes']:,} changes, made in {log['work_s']:.0f} s: in Kafka after"
            f" {log['captured_s']:.0f} s ({log['changes'] / log['captured_s']:,.0f}/s), drained by loader and merge in"
            f" {log['drained_s']:.0f} s"
            f" ({drained:,.0f}/s). CPU ms a change, to Kafka: {milliseconds(log['captured_cpu'], log['changes'])};"
            f" drained: {milliseconds(log['drained_cpu'], log['changes'])}.",
        ]
        goals.append((f"{name}: drain ≥ {DRAIN_GOAL:,}/s", drained >= DRAIN_GOAL))
        gone = each["outage"]
        mb = gone["memory_mb"]
        lines += [
            "",
            f"The warehouse away for {gone['seconds']} s at {gone['rate']} changes/s: loader and merge use"
            f" {mb['before']:,.0f} MB before, {mb['away']:,.0f} meanwhile, {mb['after']:,.0f} afterwards;"
            f" all is level {gone['level_s']:.0f} s after it is back.",
        ]
        goals.append(
            (
                f"{name}: memory without the warehouse ≤ {OUTAGE_GROWTH_MB} MB more",
                max(mb.values()) <= mb["before"] + OUTAGE_GROWTH_MB,
            )
        )
        rate, slow = (statistics.median(cost[how]) for how in ("paused", "working"))
        alone, served = (statistics.median(cost[f"{how}_cpu"]) for how in ("paused", "working"))
        lines += [
            "",
            f"Cost at the source, {cost['changes']:,} changes a round: {rate:,.0f} changes/s with the connector paused,"
            f" {slow:,.0f} with it at work ({slow / rate - 1:+.0%}, with Debezium and Kafka on the same cores); the"
            f" database's own CPU {alone:.0f} µs a change, {served:.0f} with it ({served / alone - 1:+.0%}).",
            "",
        ]
        goals.append((f"{name}: shop slower by ≤ {COST_GOAL:.0%}", slow >= (1 - COST_GOAL) * rate))
        goals.append((f"{name}: database's CPU more by ≤ {COST_GOAL:.0%}", served <= (1 + COST_GOAL) * alone))
    kept = "; ".join(f"{goal}: {'kept' if held else 'not kept'}" for goal, held in goals)
    rounds = len(next(iter(found.values()))["cost"]["paused"])
    lines.append(f"Goals: {kept}.")
    lines += [
        "",
        f"The cost at the source is the median of {rounds} rounds, the rest was measured once."
        f" {date.today().isoformat()}, {os.cpu_count()} cores shared by all parts, Python {platform.python_version()},"
        f" load {os.getloadavg()[0]:.1f}"
        f" at the end. `{shlex.join(['python', 'scripts/bench_nova.py', *sys.argv[1:]])}`",
    ]
    return "\n".join(lines)


def measure(cloud: Any, engine: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Measure one source, and say each figure as soon as it is known."""
    bench = Bench(cloud, engine, folder)
    found: dict[str, Any] = {}
    try:
        found["snapshot"] = told(engine, "snapshot", bench.snapshot(given.rows))
        found["lag"] = [told(engine, "lag", bench.lag(rate, given.seconds)) for rate in given.rates]
        found["outage"] = told(engine, "outage", bench.outage(LAG_GOAL_RATE, given.outage))
        found["backlog"] = told(engine, "backlog", bench.backlog(given.backlog))
        found["cost"] = told(engine, "cost", bench.cost(given.changes, given.repeat))
    finally:
        bench.end()
    return found


def told(engine: str, what: str, found: dict[str, Any]) -> dict[str, Any]:
    """Print a finding for whoever waits."""
    print(json.dumps({"engine": engine, "measured": what, **found}), file=sys.stderr, flush=True)
    return found


def produced() -> int:
    """Answer each line with how many messages the topics of the tables hold; runs in the environment ``nova``."""
    from confluent_kafka import Consumer, TopicPartition
    from nova import load

    from jobs.kafka import client_settings

    named = load.names()
    consumer = Consumer({**client_settings(), "group.id": "bench", "enable.auto.commit": False})
    topics = [named.topic(table) for table in TABLES]
    places = [
        TopicPartition(topic, partition)
        for topic in topics
        for partition in consumer.list_topics(topic, timeout=20).topics[topic].partitions
    ]
    for _ in sys.stdin:
        print(sum(int(consumer.get_watermark_offsets(place, timeout=20)[1]) for place in places), flush=True)
    consumer.close()
    return 0


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the snapshot, all tables together")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 500, 1_000], help="changes of rows a second")
    parser.add_argument("--seconds", type=int, default=60, help="how long each rate is measured")
    parser.add_argument("--outage", type=int, default=120, help="how long the warehouse is away, in seconds")
    parser.add_argument("--backlog", type=int, default=100_000, help="changes of the backlog")
    parser.add_argument("--changes", type=int, default=10_000, help="changes of a round of the cost at the source")
    parser.add_argument("--repeat", type=int, default=5, help="rounds of it, each with and without; the median counts")
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    parser.add_argument("--inner", choices=["produced"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:
        return produced()
    from infra.docs import write_section

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it started ends with it
    conftest = importlib.import_module("stacks.10_nova.tests.conftest")
    found = {}
    with tempfile.TemporaryDirectory(prefix="bench_nova_") as name:
        folder = Path(name)
        for engine in given.engines:
            services = ["kafka", "snowflake", engine, "debezium"]
            for cloud in conftest.started(folder / f"cloud-{engine}" / ".orrery", services):
                found[engine] = measure(cloud, engine, folder, given)
    text = report(found)
    print(text)
    if not given.no_write:
        write_section(PAGE, "bench_nova", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
