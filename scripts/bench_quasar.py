"""Measure 09_quasar's layers on a local cloud of their own, and write docs/benchmarks.md.

``python scripts/bench_quasar.py`` runs in the environment ``test``; what it measures are the stack's own programs.
Gateways, broker, store, emulator and Spark share the machine. In this order:

* drain: how fast the speed layer, with its archive, reads what waits in Kafka. The first quarter warms up;
* sustained: the highest of several rates, each a fifth below the one before, at which the second half of the events is
  no later than the first, but for a micro-batch. From when the gateway has an event, by its clock, to when its window
  is committed in PostgreSQL; a gateway that falls behind counts as late, so nothing is left out;
* latency: the same, at 25, 50 and 75 % of that rate;
* memory: of driver, JVM and workers while the second of these runs, for ``--minutes``;
* outage: the store is stopped for ``--outage`` seconds at half that rate, and comes back;
* batch: one day's archive, the batch layer's query against the same aggregation in plain Spark, without and with
  ``dropDuplicates``, and in DuckDB, all on the same local files, alternating.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
STACK = ROOT / "stacks" / "09_quasar"
sys.path[:0] = [str(ROOT), str(STACK / "src"), str(STACK / "tests")]

PAGE = ROOT / "docs" / "benchmarks.md"
RATE, P99_S, BATCH_RATIO, MEMORY_GROWTH = 15_000, 15.0, 0.7, 1.1
SHARES = (0.25, 0.5, 0.75)
LONG = 0.5
"""At which of these shares memory is watched."""
FIRST_TRY, NEXT_TRY, LEAST = 0.75, 0.8, 1_000
"""At which share of the drain's rate the search begins, how it goes on, and where it ends, in events a second."""
OUTAGE_MARGIN_S, OUTAGE_GROWTH = 45.0, 1.25
"""How long the store is there before it goes, in seconds, and how much more memory may be used without it and after."""
STABLE_S = 3.0
"""How much later the second half of the events may be than the first one, in seconds."""
POINTS = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
SERVICE = {
    "QUASAR_MAX_PER_TRIGGER": "200000",
    "QUASAR_WINDOWS_EVERY_S": "2",
    "QUASAR_ARCHIVE_EVERY_S": "5",
    "JAVA_TOOL_OPTIONS": "",
}


KINDS = ("JVM", "Python workers", "driver")


def by_kind(pid: int, figure: Callable[[Any], float]) -> dict[str, float]:
    """Return the sum of a figure over a process and its children, by kind."""
    import psutil  # not in the environments of Spark and DuckDB, where parts of this script run

    found: dict[str, float] = dict.fromkeys(KINDS, 0.0)
    for each in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
        with suppress(psutil.Error):
            kind = "JVM" if each.name() == "java" else "driver" if each.pid == pid else "Python workers"
            found[kind] += figure(each)
    return found


def cpu_seconds(pid: int) -> dict[str, float]:
    """Return what a process and its children have used so far, by kind."""
    return by_kind(pid, lambda each: sum(each.cpu_times()[:2]))


def memory_mb(pid: int) -> dict[str, float]:
    """Return what a process and its children have in memory, by kind; of a page that n of them share, each has 1/n."""
    return by_kind(pid, lambda each: each.memory_full_info().pss / 2**20)


def most_of(samples: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the most of each kind, and of all together at one moment."""
    together = max((sum(each.values()) for each in samples), default=0.0)
    return {kind: max((each[kind] for each in samples), default=0.0) for kind in KINDS} | {"all": together}


@contextmanager
def running(layers: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run the speed layer for a while."""
    process = layers.start("speed", **SERVICE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        layers.ended(process)


def wait(condition: Any, what: str, seconds: float = 600) -> None:
    """Wait until a condition holds, or end with what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.2)


def progress(layers: Any, name: str) -> list[dict[str, Any]]:
    """Return what a stream said of its batches."""
    return [each for each in layers.said("speed") if each["event"] == "progress" and each["name"] == name]


def drain(layers: Any, events: int) -> dict[str, Any]:
    """Measure how fast what waits is read."""
    layers.send(events, "--per-second", "2000")
    with running(layers) as process:
        wait(lambda: sum(e["rows"] for e in progress(layers, "windows")) >= events / 4, "the first quarter")
        started, used = time.monotonic(), cpu_seconds(process.pid)
        before = {name: sum(e["rows"] for e in progress(layers, name)) for name in ("windows", "archive")}
        names = {name: len(progress(layers, name)) for name in before}

        def done(name: str) -> bool:
            return bool(sum(e["rows"] for e in progress(layers, name)) >= events)

        took: dict[str, float] = {}
        while len(took) < 2:
            for name in before:
                if name not in took and done(name):
                    took[name] = time.monotonic() - started
            if time.monotonic() - started > 900:
                raise SystemExit("the drain took more than 15 minutes")
            time.sleep(0.1)
        used = {kind: seconds - used[kind] for kind, seconds in cpu_seconds(process.pid).items()}
    rows = {name: events - count for name, count in before.items()}
    batches = {name: progress(layers, name)[count:] for name, count in names.items()}
    shares: dict[str, Counter[str]] = {name: Counter() for name in batches}
    for name, each in batches.items():
        for batch in each:
            shares[name].update({step: ms for step, ms in batch["took_ms"].items() if step != "triggerExecution"})
    return {
        "events": events,
        "rate": {name: rows[name] / took[name] for name in took},
        "cpu_us": {kind: seconds * 1e6 / sum(rows.values()) * 2 for kind, seconds in used.items()},
        "steps": {
            name: {
                step: ms / max(1, sum(e["took_ms"]["triggerExecution"] for e in batches[name]))
                for step, ms in c.items()
            }
            for name, c in shares.items()
        },
    }


def latency(layers: Any, rate: float, seconds: float, warm_up: float) -> dict[str, Any]:
    """Measure from the gateway's clock to the commit, at a fixed rate."""
    memory: list[dict[str, float]] = []
    with running(layers) as process:
        wait(lambda: (layers.folder / "checkpoints" / "windows" / "metadata").exists(), "the stream's start", 120)
        sending = layers.sending(
            "--events", str(int(rate * seconds)), "--per-second", str(rate), "--paced", "--seed", "11"
        )
        while sending.poll() is None:
            memory.append(memory_mb(process.pid))
            time.sleep(2)
        if sending.returncode:
            raise SystemExit((layers.folder / "simulate.log").read_text()[-2000:])
        total = int(rate * seconds)
        wait(lambda: sum(e["rows"] for e in progress(layers, "windows")) >= total, "the last event")
    in_order = delays(layers, warm_up)
    middle = len(in_order) // 2
    grows = statistics.median(in_order[middle:]) - statistics.median(in_order[:middle])
    times = sorted(in_order)
    half = len(memory) // 2
    points = {name: times[min(len(times) - 1, int(len(times) * share))] for name, share in POINTS.items()}
    halves = [most_of(memory[:half]), most_of(memory[half:])]
    return {"rate": rate, **points, "grows": grows, "memory": halves}


def sustained(cloud: Any, root: Path, seconds: float, rate: float) -> list[dict[str, Any]]:
    """Return what was tried: ever lower rates, the last one such that its events do not get later and later."""
    tried: list[dict[str, Any]] = []
    layers_of = importlib.import_module("layers").Layers
    while not tried or (tried[-1]["grows"] > STABLE_S and rate > LEAST):
        name = f"try-{len(tried)}"
        tried.append(latency(layers_of(cloud, root / name, name), rate, seconds, seconds / 4))
        print(json.dumps(tried[-1]), file=sys.stderr)
        rate *= NEXT_TRY
    return tried


def outage(layers: Any, rate: float, seconds: float) -> dict[str, Any]:
    """Measure memory while the store is away under load, and how long the windows take until they have caught up."""
    from quasar.journal import read

    def rows() -> int:
        return sum(each["rows"] for each in progress(layers, "windows"))

    def most_mb(done: Callable[[], bool]) -> float:
        most = 0.0
        while not done():
            most = max(most, sum(memory_mb(process.pid).values()))
            time.sleep(0.5)
        return most

    def past(duration: float) -> Callable[[], bool]:
        ends = time.monotonic() + duration
        return lambda: time.monotonic() > ends

    total = int(rate * (2 * OUTAGE_MARGIN_S + seconds))
    with running(layers) as process:
        sending = layers.sending("--events", str(total), "--per-second", str(rate), "--paced", "--seed", "12")
        wait(rows, "the stream's first windows", 120)
        before = most_mb(past(OUTAGE_MARGIN_S))
        layers.cloud.down(["postgres"])
        away = most_mb(past(seconds))
        layers.cloud.up(["postgres"])
        back = time.monotonic()
        # Level again: no more is waiting than comes in a few micro-batches.
        after = most_mb(lambda: rows() >= read(layers.journal)[1] - 5 * rate or time.monotonic() - back > 900)
        took = time.monotonic() - back
        if sending.wait(300):
            raise SystemExit((layers.folder / "simulate.log").read_text()[-2000:])
        wait(lambda: rows() >= total, "the last event")
        if process.poll() is not None:
            raise SystemExit(f"the speed layer ended: {layers.log('speed').read_text()[-2000:]}")
    return {"rate": rate, "seconds": seconds, "memory": [before, away, after], "caught_up_s": took}


def delays(layers: Any, warm_up: float) -> list[float]:
    """Return for each event after the warm-up how long it took, in seconds, in the order of sending."""
    from quasar.generate import slot
    from quasar.journal import read

    plan, sent, _ = read(layers.journal)
    rows = layers.ask("SELECT ends, extract(epoch FROM recorded_at)::float FROM quasar.speed_batches ORDER BY batch_id")
    partitions = len(rows[0][0])
    ends = {each: [row[0].get(str(each), 0) for row in rows] for each in range(partitions)}
    offsets: Counter[int] = Counter()
    found: list[float] = []
    first = plan.sent_at(0) + warm_up * 1000
    for number in range(sent):
        partition = slot(plan, number).device % partitions
        at = bisect_right(ends[partition], offsets[partition])
        offsets[partition] += 1
        if plan.sent_at(number) >= first:
            found.append(rows[at][1] - plan.sent_at(number) / 1000)
    return found


# -- batch: in the environments that have Spark and DuckDB ------------------------------------------------------------


def inner_spark(folder: Path, repeat: int) -> dict[str, Any]:
    """Measure the batch layer's query and plain Spark's on the files of a folder."""
    from pyspark.sql import functions as f
    from quasar.batch import FACTS, Seen, SpeedBatch, counted, once

    from jobs import spark

    session = spark.session("bench", folder=folder / "spark")
    files = [str(each) for each in sorted((folder / "files").glob("*.parquet"))]
    seen = json.loads((folder / "seen.json").read_text())
    state = Seen({}, seen["late_before"], [SpeedBatch(*each) for each in seen["batches"]])

    def plain(*, dedupe: bool) -> Any:
        rows = session.read.parquet(*files)
        rows = rows.dropDuplicates(["event_id"]) if dedupe else rows
        measures = [how(c) for c in ("temperature_ucelsius", "voltage_uv") for how in (f.sum, f.min, f.max)]
        return rows.groupBy(f.floor(f.unix_millis("event_time") / 60_000), "kind").agg(f.count("*"), *measures)

    ways: dict[str, Callable[[], Any]] = {
        "batch layer": lambda: counted(once(session.read.parquet(*files).select(*FACTS), state)),
        "plain Spark, copies counted": lambda: plain(dedupe=False),
        "plain Spark, dropDuplicates": lambda: plain(dedupe=True),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeat + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            events = sum(row["events"] if "events" in row else row["count(1)"] for row in way().collect())
            if number:  # the first round warms up
                found[name].append(time.perf_counter() - started)
            if number == 0:
                print(json.dumps({"way": name, "events": events}), file=sys.stderr)
    rows = session.read.parquet(*files).count()
    session.stop()
    return {"rows": rows, "seconds": found}


def inner_duckdb(folder: Path, repeat: int) -> dict[str, Any]:
    """Measure DuckDB on the same files."""
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    measures = ", ".join(f"{how}({c})" for c in ("temperature_ucelsius", "voltage_uv") for how in ("sum", "min", "max"))
    files = f"read_parquet('{folder / 'files'}/*.parquet')"
    once = f"(SELECT DISTINCT ON (event_id) event_time, kind, temperature_ucelsius, voltage_uv FROM {files})"
    found: dict[str, list[float]] = {}
    for name, source in (("DuckDB, copies counted", files), ("DuckDB, DISTINCT ON", once)):
        for number in range(repeat + 1):
            started = time.perf_counter()
            columns = f"epoch_ms(event_time) // 60000 AS minute, kind, count(*), {measures}"
            connection.execute(f"SELECT {columns} FROM {source} GROUP BY ALL").fetchall()
            if number:
                found.setdefault(name, []).append(time.perf_counter() - started)
    return {"seconds": found}


def batch(layers: Any, folder: Path, repeat: int) -> dict[str, Any]:
    """Copy the drained archive to local files, and measure all ways on them."""
    from infra import envs
    from infra.local import spark

    (folder / "files").mkdir(parents=True)
    s3 = layers.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=layers.topic, Prefix="archive/")
    keys = [entry["Key"] for page in pages for entry in page["Contents"] if "/verdict=event/" in entry["Key"]]
    for number, key in enumerate(keys):
        s3.download_file(layers.topic, key, str(folder / "files" / f"{number:06}.parquet"))
    rows = layers.ask("SELECT starts, ends, (extract(epoch FROM late_before) * 1000)::bigint FROM quasar.speed_batches")
    batches = [[int(p), starts.get(p, 0), end, late] for starts, ends, late in rows for p, end in ends.items()]
    state = {"late_before": max(row[2] for row in rows), "batches": [each for each in batches if each[1] < each[2]]}
    (folder / "seen.json").write_text(json.dumps(state))
    found: dict[str, Any] = {"seconds": {}}
    for environment, python in (("spark", spark.python(print)), ("orbit", envs.ensure("orbit"))):
        command = [str(python), "-P", __file__, "--inner", environment, str(folder), "--repeat", str(repeat)]
        variables = {**layers.environment, "JAVA_TOOL_OPTIONS": ""}
        done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"the measurements in {environment} failed with {done.returncode}")
        part = json.loads(done.stdout.splitlines()[-1])
        found["seconds"] |= part.pop("seconds")
        found |= part
    return {**found, "files": len(keys)}


def report(found: dict[str, Any], given: argparse.Namespace) -> str:
    """Return the section: tables, and which goals were kept."""
    drained, day = found["drain"], found["batch"]
    rate = min(drained["rate"].values())
    lines = ["| | events/s | CPU µs/event, JVM | Python workers | driver |", "|---|--:|--:|--:|--:|"]
    cpu = [f"{drained['cpu_us'].get(kind, 0):.0f}" for kind in KINDS]
    lines.append(f"| speed layer and archive, {drained['events']:,} waiting | {rate:,.0f} | {' | '.join(cpu)} |")
    lines += ["", "| sent, events/s | p50, s | p95, s | p99, s | 2nd half later, s | memory, MB: 1st half | 2nd half |"]
    lines.append("|--:|--:|--:|--:|--:|--:|--:|")
    for each in found["latency"]:
        figures = [f"{each[name]:.1f}" for name in (*POINTS, "grows")]
        figures += [f"{half['all']:,.0f}" for half in each["memory"]]
        lines.append(f"| {each['rate']:,.0f} | {' | '.join(figures)} |")
    halves = found["latency"][SHARES.index(LONG)]["memory"]
    kinds = "; ".join(f"{kind} {halves[0][kind]:,.0f} and {halves[1][kind]:,.0f} MB" for kind in KINDS)
    lines += ["", f"The most in each half of the second of these runs, by process: {kinds}."]
    gone = found["outage"]
    lines += [
        "",
        f"The store away for {gone['seconds']:.0f} s at {gone['rate']:,.0f} events/s: memory"
        f" {gone['memory'][0]:,.0f} MB before, {gone['memory'][1]:,.0f} meanwhile, {gone['memory'][2]:,.0f} afterwards;"
        f" the windows had caught up {gone['caught_up_s']:.0f} s after it was back.",
    ]
    sustained = found["tried"][-1]["rate"] if found["tried"][-1]["grows"] <= STABLE_S else 0.0
    tried = ", ".join(f"{each['rate']:,.0f} ({each['grows']:+.1f} s)" for each in found["tried"])
    lines += [
        "",
        f"Sustained, with gateways and broker on the same cores: {sustained:,.0f} events/s. Tried, each for"
        f" {given.seconds:.0f} s, and how much later the second half of the events was: {tried}.",
    ]
    medians = {name: statistics.median(seconds) for name, seconds in day["seconds"].items()}
    own = medians["batch layer"]
    lines += ["", f"| on {day['rows']:,} rows in {day['files']} files | rows/s | batch layer against it |"]
    lines.append("|---|--:|--:|")
    lines += [f"| {name} | {day['rows'] / s:,.0f} | {s / own:.2f} × |" for name, s in medians.items()]
    first, second = (half["all"] for half in halves)
    slow = max(each["p99"] for each in found["latency"])
    fair = medians["plain Spark, dropDuplicates"] / own
    goals = [
        (f"≥ {RATE:,} events/s read from what waits", rate >= RATE),
        (f"≥ {RATE:,} events/s sustained", sustained >= RATE),
        (f"p99 ≤ {P99_S:.0f} s", slow <= P99_S),
        (f"memory of the second half ≤ {MEMORY_GROWTH} × the first", second <= MEMORY_GROWTH * first),
        (
            f"memory without the store ≤ {OUTAGE_GROWTH} × before",
            max(gone["memory"]) <= OUTAGE_GROWTH * gone["memory"][0],
        ),
        (f"batch ≥ {BATCH_RATIO} × plain Spark that counts each event once", fair >= BATCH_RATIO),
    ]
    steps = {name: sorted(parts.items(), key=lambda part: -part[1])[:3] for name, parts in drained["steps"].items()}
    told = {name: ", ".join(f"{step} {share:.0%}" for step, share in parts) for name, parts in steps.items()}
    where = "; ".join(f"{name}: {parts}" for name, parts in told.items())
    kept = "; ".join(f"{goal}: {'kept' if held else 'not kept'}" for goal, held in goals)
    now = os.getloadavg()[0]
    return "\n".join(
        [
            *lines,
            "",
            f"Goals: {kept}.",
            "",
            f"Where a micro-batch's time goes, while draining: {where}. Latencies over {given.seconds:.0f} s each, the"
            f" second one over {given.minutes:.0f} min where that is longer; batch: medians of {given.repeat}; lateness"
            f" {given.lateness}."
            f" {date.today().isoformat()}, {os.cpu_count()} cores shared by all, Python {platform.python_version()},"
            f" load {found['load'][0]:.1f} at the start and {now:.1f} at the end."
            f" `{shlex.join(['python', 'scripts/bench_quasar.py', *sys.argv[1:]])}`",
        ]
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_500_000, help="how many wait when the drain begins")
    parser.add_argument("--seconds", type=float, default=120, help="how long each rate is sent")
    parser.add_argument("--minutes", type=float, default=30, help="how long the middle rate is sent, for the memory")
    parser.add_argument("--outage", type=float, default=120, help="how long the store is away, in seconds")
    parser.add_argument("--lateness", default="2 minutes", help="how long the speed layer waits for late events")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    parser.add_argument("--inner", nargs=2, metavar=("ENVIRONMENT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:
        measured = {"spark": inner_spark, "orbit": inner_duckdb}[given.inner[0]](Path(given.inner[1]), given.repeat)
        print(json.dumps(measured))
        return 0
    SERVICE["QUASAR_LATENESS"] = given.lateness
    layers_of = importlib.import_module("layers").Layers
    from infra.docs import write_section
    from infra.local import Cloud

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what it started ends with it
    found: dict[str, Any] = {"load": os.getloadavg(), "latency": []}
    root = Path(tempfile.mkdtemp(prefix="bench-quasar-"))
    cloud = Cloud(root / ".orrery")
    try:
        cloud.up(["aws", "kafka", "postgres"])
        first = layers_of(cloud, root / "drain", "drain")
        found["drain"] = drain(first, given.events)
        print(json.dumps(found["drain"]), file=sys.stderr)
        found["batch"] = batch(first, root / "batch", given.repeat)
        print(json.dumps(found["batch"]), file=sys.stderr)
        found["tried"] = sustained(cloud, root, given.seconds, FIRST_TRY * min(found["drain"]["rate"].values()))
        most = found["tried"][-1]["rate"]
        for share in SHARES:
            seconds = max(given.seconds, 60 * given.minutes if share == LONG else 0)
            layers = layers_of(cloud, root / f"at-{share}", f"at-{int(share * 100)}")
            found["latency"].append(latency(layers, share * most, seconds, seconds / 4))
            print(json.dumps(found["latency"][-1]), file=sys.stderr)
        layers = layers_of(cloud, root / "outage", "outage")
        found["outage"] = outage(layers, LONG * most, given.outage)
        print(json.dumps(found["outage"]), file=sys.stderr)
    finally:
        cloud.erase()
        shutil.rmtree(root, ignore_errors=True)
    text = report(found, given)
    print(text)
    if not given.no_write:
        write_section(PAGE, "bench_quasar", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
