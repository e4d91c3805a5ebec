"""Measure how fast Spark reads Kafka by the Python source, against a plain consumer, and write docs/benchmarks.md.

``python scripts/bench_spark_source.py`` runs in the environment ``test`` and starts a local broker of its own; what it
measures runs in the environment ``spark``, one after the other, on the same topic:

* plain: a loop of confluent-kafka's ``consume`` that takes key, value and offset of each message, one process;
* slice: what one worker does, `jobs.spark_kafka_source.read_slice`, in this process: the loop, and Arrow columns of it;
* batch: `read_batch` and an aggregate over all values, on the session's two cores;
* stream: `read_stream` with a limit for each micro-batch, into nothing, from its start to the last message.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

PAGE = ROOT / "docs" / "benchmarks.md"
TOPIC = "bench"
PARTITIONS = 2
VALUE_BYTES = 200
PER_CORE = 100_000
"""The goal, in messages a second."""
WAYS = ("plain", "slice", "batch", "stream")
TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid: int) -> list[list[str]]:
    """Return what ``/proc`` says of a process and all below it, field by field from the state on."""
    found: dict[int, list[str]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(path.parent.name)] = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
    mine, more = {pid}, True
    while more:
        below = {each for each, fields in found.items() if int(fields[1]) in mine} - mine
        mine, more = mine | below, bool(below)
    return [found[each] for each in mine if each in found]


def cpu_seconds() -> float:
    """Return the CPU time of this process, its JVM and its workers, with those that ended."""
    return sum(int(ticks) for fields in tree(os.getpid()) for ticks in fields[11:15]) / TICKS


def memory_mb() -> float:
    """Return the resident memory of the same."""
    return sum(int(fields[21]) for fields in tree(os.getpid())) * os.sysconf("SC_PAGE_SIZE") / 1e6


def timed(work: Callable[[], int], expected: int) -> dict[str, float]:
    """Run some work that returns how many messages it read; return what it took."""
    began, cpu = time.perf_counter(), cpu_seconds()
    read = work()
    found = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - cpu, "memory_mb": memory_mb()}
    if read != expected:
        raise SystemExit(f"{read} messages were read of {expected}")
    return found


class Bench:
    """One topic, read in several ways, in the environment spark."""

    def __init__(self, servers: str, messages: int, limit: int) -> None:
        self.servers, self.messages, self.limit = servers, messages, limit
        self.environment = {"KAFKA_BOOTSTRAP_SERVERS": servers}

    def fill(self) -> None:
        """Make the topic and its messages."""
        from confluent_kafka import Producer
        from confluent_kafka.admin import AdminClient, NewTopic

        admin = AdminClient({"bootstrap.servers": self.servers})
        for answer in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)]).values():
            answer.result(10)
        producer = Producer({"bootstrap.servers": self.servers, "linger.ms": 20, "batch.size": 200_000})
        value = os.urandom(VALUE_BYTES // 2).hex().encode()
        for number in range(self.messages):
            while True:
                try:
                    producer.produce(TOPIC, value, str(number), partition=number % PARTITIONS)
                    break
                except BufferError:
                    producer.poll(0.05)
        producer.flush(60)

    def plain(self) -> int:
        """Read all with a consumer's loop."""
        from confluent_kafka import Consumer, TopicPartition

        own = {"group.id": "plain", "enable.auto.commit": False, "isolation.level": "read_committed"}
        consumer = Consumer({"bootstrap.servers": self.servers, **own})
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
        read = 0
        while read < self.messages:
            for message in consumer.consume(10_000, 0.05):
                if message.error() is None:
                    message.key(), message.value(), message.offset()
                    read += 1
        consumer.close()
        return read

    def slice(self) -> int:
        """Read all as a worker does, partition after partition."""
        from jobs.spark_kafka_source import Options, Slice, read_slice

        options = Options.of({"kafka.bootstrap.servers": self.servers, "subscribe": TOPIC})
        until = self.messages // PARTITIONS
        slices = [Slice(TOPIC, partition, 0, until) for partition in range(PARTITIONS)]
        return sum(batch.num_rows for each in slices for batch in read_slice(options, each))

    def batch(self, spark: Any) -> int:
        """Read all as a batch of Spark's."""
        from jobs.spark_kafka import read_batch

        frame = read_batch(spark, [TOPIC], environment=self.environment)
        (row,) = frame.selectExpr("count(*) as read", "sum(length(value)) as bytes").collect()
        return int(row.read)

    def stream(self, spark: Any) -> int:
        """Read all in micro-batches."""
        from jobs.spark_kafka import read_stream

        with tempfile.TemporaryDirectory() as folder:
            frame = read_stream(spark, [TOPIC], max_per_trigger=self.limit, environment=self.environment)
            query = frame.writeStream.format("noop").option("checkpointLocation", folder).start()
            query.processAllAvailable()
            read = sum(int(each["numInputRows"]) for each in query.recentProgress)
            query.stop()
        return read


def inner(given: argparse.Namespace) -> int:
    """Measure everything and print what was found as one line of JSON."""
    from jobs.spark import session

    bench = Bench(given.inner, given.messages, given.limit)
    bench.fill()
    found: dict[str, Any] = {"plain": [], "slice": [], "batch": [], "stream": []}
    for _ in range(given.repeat):
        found["plain"].append(timed(bench.plain, given.messages))
        found["slice"].append(timed(bench.slice, given.messages))
    began = time.perf_counter()
    spark = session("bench", streaming=True)
    found["session_seconds"] = time.perf_counter() - began
    bench.batch(spark)  # the JVM's first run compiles
    for _ in range(given.repeat):
        found["batch"].append(timed(lambda: bench.batch(spark), given.messages))
        found["stream"].append(timed(lambda: bench.stream(spark), given.messages))
    spark.stop()
    print(json.dumps(found))
    return 0


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Start a broker, and the half that runs in the environment spark."""
    from infra.local import Cloud, spark

    with tempfile.TemporaryDirectory(prefix="bench_spark_") as folder:
        cloud = Cloud(Path(folder))
        try:
            servers = cloud.up(["kafka"])["kafka"].url
            command = [str(spark.python(print)), "-P", __file__, "--inner", servers, "--repeat", str(given.repeat)]
            command += ["--messages", str(given.messages), "--limit", str(given.limit)]
            environment = {**os.environ, **spark.environment("bench"), "SPARK_FOLDER": f"{folder}/spark"}
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
        finally:
            cloud.erase()
    if done.returncode:
        raise SystemExit(f"the measurements failed with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(found: dict[str, Any], given: argparse.Namespace) -> str:
    """Return the section: a table, and whether the goal was kept."""
    lines = ["| | messages/s | of plain | CPU µs/message | of plain | memory, MB |", "|---|--:|--:|--:|--:|--:|"]
    seconds = {name: statistics.median(each["seconds"] for each in found[name]) for name in WAYS}
    cpu = {name: statistics.median(each["cpu"] for each in found[name]) for name in WAYS}
    for name in WAYS:
        memory = max(each["memory_mb"] for each in found[name])
        lines.append(
            f"| {name} | {given.messages / seconds[name]:,.0f} | {seconds['plain'] / seconds[name]:.2f} "
            f"| {cpu[name] / given.messages * 1e6:.2f} | {cpu[name] / cpu['plain']:.2f} | {memory:,.0f} |"
        )
    kept = "kept" if given.messages / cpu["batch"] >= PER_CORE else "not kept"
    return "\n".join(
        [
            *lines,
            "",
            f"Goal: {PER_CORE:,} messages a second for each core that Spark uses, as batch: {kept}"
            f" ({given.messages / cpu['batch']:,.0f} for each CPU second).",
            f"A session is there after {found['session_seconds']:.1f} s.",
            "",
            f"{given.messages:,} messages of {VALUE_BYTES} bytes in {PARTITIONS} partitions; the stream takes"
            f" {given.limit:,} at a time. Medians of {given.repeat}; CPU and memory are those of driver, JVM and"
            f" workers, without the broker, which has the same {os.cpu_count()} cores. {date.today().isoformat()},"
            f" Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the end."
            " `python scripts/bench_spark_source.py`",
        ]
    )


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=5, help="the median counts")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--limit", type=int, default=100_000, help="messages of a micro-batch")
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    parser.add_argument("--inner", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inner:
        return inner(given)
    from infra.docs import write_section

    text = report(measure(given), given)
    print(text)
    if not given.no_write:
        write_section(PAGE, "bench_spark_source", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
