"""Kafka as Spark reads it, whoever reads: the Python source, and Spark's own connector where its jar is at hand.

``SPARK_KAFKA_JARS=/path/a.jar,/path/b.jar`` (spark-sql-kafka-0-10, spark-token-provider-kafka-0-10, kafka-clients,
commons-pool2) lets the connector be tested too.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from infra.local import Cloud
from tests.e2e.test_local_cloud import new_cloud, pid_of, restarted
from tests.support.kafka import run, start
from tests.support.local_aws import until
from tests.support.spark import Driver

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    for made in new_cloud(tmp_path_factory.mktemp("spark")):
        made.up(["aws", "kafka"])
        yield made


@pytest.fixture(scope="module", params=["python", "connector"])
def driver(request: pytest.FixtureRequest, cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """One Spark for all tests of an implementation; topics are named after it."""
    settings, jars = {}, os.environ.get("SPARK_KAFKA_JARS", "")
    if request.param == "connector":
        if not jars:
            pytest.skip("SPARK_KAFKA_JARS names no jars of spark-sql-kafka")
        settings = {"spark.jars": jars}
    variables = {**cloud.aws_environment(), "KAFKA_BOOTSTRAP_SERVERS": cloud.endpoint("kafka").url}
    made = Driver(tmp_path_factory.mktemp(request.param), variables, settings)
    try:
        assert made.run("say(available(spark))") == request.param
        yield made
    finally:
        made.stop()


def of(driver: Driver, name: str) -> str:
    """Return the name of a topic that no other implementation's tests have."""
    return f"{driver.work.name.rstrip('0123456789')}-{name}"


def in_order(rows: list[list[Any]]) -> dict[int, list[int]]:
    """Return the offsets of each partition; each batch may have its partitions in any order, but not their rows."""
    found: dict[int, list[int]] = {}
    for partition, offset, _ in rows:
        found.setdefault(partition, []).append(offset)
    assert all(offsets == sorted(set(offsets)) for offsets in found.values()), "no offset comes twice or late"
    return found


def test_a_batch_is_what_kafkas_client_reads(cloud: Cloud, driver: Driver) -> None:
    topic, since = of(driver, "columns"), int(time.time() * 1000) - 100
    known = run(
        cloud,
        """
name = sys.argv[2]
make(name, 3)
by = producer()
for number in range(30):
    by.produce(name, None if number == 7 else f"v{number}", None if number == 5 else f"k{number}", timestamp=int(sys.argv[3]) + number)
assert by.flush(20) == 0
say(read(name))
""",
        topic,
        str(since),
    )
    schema, rows, some = driver.run(
        f"""
frame = read_batch(spark, [{topic!r}])
rows = frame.selectExpr("partition", "offset", "cast(key as string)", "cast(value as string)").collect()
times = frame.selectExpr("min(unix_millis(timestamp))", "max(unix_millis(timestamp))", "max(timestampType)", "max(topic)").collect()
assert list(times[0]) == [{since}, {since + 29}, 0, {topic!r}], times
ends = {{{topic!r}: {{"0": 3, "1": -1, "2": 2}}}}
some = read_batch(spark, [{topic!r}], starting={{{topic!r}: {{"0": 1, "1": -1, "2": -2}}}}, ending=ends).collect()
say([frame.dtypes, [list(row) for row in rows], sorted([row.partition, row.offset] for row in some)])
"""
    )
    assert sorted(map(str, rows)) == sorted(map(str, known)) and len(rows) == 30
    assert some == [[0, 1], [0, 2], [2, 0], [2, 1]]
    assert schema == [
        ["key", "binary"],
        ["value", "binary"],
        ["topic", "string"],
        ["partition", "int"],
        ["offset", "bigint"],
        ["timestamp", "timestamp"],
        ["timestampType", "int"],
    ]


def test_batches_keep_their_limit_and_a_new_partition_is_read_from_its_beginning(cloud: Cloud, driver: Driver) -> None:
    topic = of(driver, "limited")
    fill = """
name = sys.argv[2]
make(name, 3)
by = producer()
for number in range(440):
    by.produce(name, str(number), partition=2 if number < 10 else number % 2)
assert by.flush(20) == 0
say(0)
"""
    grow = """
from confluent_kafka.admin import NewPartitions
name = sys.argv[2]
for answer in admin.create_partitions([NewPartitions(name, 4)]).values():
    answer.result(10)
by = producer()
for number in range(20):
    by.produce(name, f"new {number}", partition=3)
by.produce(name, "old", partition=0)
assert by.flush(20) == 0
say(0)
"""
    run(cloud, fill, topic)
    driver.run(f"query = start({topic!r}, 'limited', max_per_trigger=120); query.processAllAvailable()")
    sizes = [len(rows) for rows in driver.batches("limited").values()]
    assert max(sizes) <= 120 and sum(sizes) == 440 and min(sizes[:3]) >= 100, sizes
    assert {row[0] for row in driver.batches("limited")[0]} == {0, 1, 2}, "no partition has to wait for the others"
    run(cloud, grow, topic)
    driver.run("query.processAllAvailable(); query.processAllAvailable(); query.stop()")
    offsets = in_order(driver.rows("limited"))
    assert {partition: len(seen) for partition, seen in offsets.items()} == {0: 216, 1: 215, 2: 10, 3: 20}
    assert all(seen == list(range(len(seen))) for seen in offsets.values()), "and there is no gap"


def test_after_a_kill_a_batch_is_repeated_as_it_was_planned_and_nothing_is_lost(cloud: Cloud, driver: Driver) -> None:
    topic = of(driver, "killed")
    send = "name = sys.argv[2]; send(name, *map(str, range(int(sys.argv[3]))))\nsay(0)"
    run(cloud, "make(sys.argv[2], 2); send(sys.argv[2], *map(str, range(300)))\nsay(0)", topic)
    query = f"query = start({topic!r}, 'killed', max_per_trigger=100"
    for batch in (0, 2):
        driver.dies_of(f"{query}, die_in={batch}); query.awaitTermination()")
        run(cloud, send, topic, "50")
        assert max(driver.batches("killed")) == batch
    driver.run(f"{query}); query.processAllAvailable(); query.stop()")
    assert (driver.work / "killed" / "repeated").read_text() == "2"
    offsets = in_order(driver.rows("killed"))
    assert sum(map(len, offsets.values())) == 400
    assert all(seen == list(range(len(seen))) for seen in offsets.values())
    driver.run(f"{query}); query.processAllAvailable(); query.stop()")
    assert len(driver.rows("killed")) == 400, "what was read is not read again"


def test_aborted_and_open_transactions_are_unseen_and_their_markers_stop_nothing(cloud: Cloud, driver: Driver) -> None:
    topic = of(driver, "paid")
    code = """
name = sys.argv[2]
make(name)
by = producer(transactional_id=name)
by.init_transactions(10)
by.begin_transaction(); send(name, "a", "b", by=by); by.commit_transaction(10)
by.begin_transaction(); send(name, "aborted", by=by); by.abort_transaction(10)
say("ready")
sys.stdin.readline()
by.begin_transaction(); send(name, "c", by=by)
say("open")
sys.stdin.readline()
by.commit_transaction(10)
say("committed")
sys.stdin.readline()
"""
    process = start(cloud, code, topic)
    assert process.stdin and process.stdout
    driver.run("query = None")
    try:
        steps = []
        for state in ("ready", "open", "committed"):
            assert process.stdout.readline() == f'"{state}"\n'
            driver.run(f"query = query or start({topic!r}, 'paid', max_per_trigger=2); query.processAllAvailable()")
            steps.append([value for *_, value in driver.rows("paid")])
            process.stdin.write("\n")
            process.stdin.flush()
    finally:
        process.communicate(timeout=30)
    driver.run("query.stop()")
    assert steps == [["a", "b"], ["a", "b"], ["a", "b", "c"]]
    assert (
        driver.run(f"say([bytes(row.value).decode() for row in read_batch(spark, [{topic!r}]).collect()])") == steps[-1]
    )


def test_messages_that_are_gone_stop_a_query_or_are_passed_over_as_it_was_told(cloud: Cloud, driver: Driver) -> None:
    topic = of(driver, "expired")
    delete = """
name = sys.argv[2]
send(name, *map(str, range(10, 20)))
for answer in admin.delete_records([TopicPartition(name, 0, 15)]).values():
    answer.result(10)
say(0)
"""
    run(cloud, "make(sys.argv[2]); send(sys.argv[2], *map(str, range(10))); say(0)", topic)
    driver.run(f"query = start({topic!r}, 'expired'); query.processAllAvailable(); query.stop()")
    run(cloud, delete, topic)
    told = driver.run(f"query = start({topic!r}, 'expired'); say(failure(query)); query.stop()")
    assert "failOnDataLoss" in told and topic in told
    assert len(driver.rows("expired")) == 10, "and nothing was made of the rest"
    driver.run(
        f"query = start({topic!r}, 'expired', fail_on_data_loss=False); query.processAllAvailable(); query.stop()"
    )
    assert [offset for _, offset, _ in driver.rows("expired")] == [*range(10), *range(15, 20)]


def test_a_query_outlives_its_broker(cloud: Cloud, driver: Driver) -> None:
    topic = of(driver, "outlived")
    run(cloud, "make(sys.argv[2]); send(sys.argv[2], 'before'); say(0)", topic)
    driver.run(f"query = start({topic!r}, 'outlived'); query.processAllAvailable()")
    for killed in (1, 2, 3):  # in the midst of whatever the query was asking
        pid = pid_of(cloud, "kafka")
        os.kill(pid, signal.SIGKILL)
        until(lambda pid=pid: restarted(cloud, "kafka", pid), 20, "the broker comes back")
        run(cloud, "send(sys.argv[2], 'after'); say(0)", topic)
        driver.run("query.processAllAvailable()")  # which raises what ended the query, if something did
        assert len(driver.rows("outlived")) == killed + 1
    driver.run("query.stop()")


def test_a_topic_that_is_not_there_is_named(driver: Driver) -> None:
    told = driver.run(f"query = start({of(driver, 'nowhere')!r}, 'nowhere'); say(failure(query)); query.stop()")
    assert of(driver, "nowhere") in told


# --------------------------------------------------------------------------- what is not the connector's to show


@pytest.fixture(scope="module")
def python(driver: Driver) -> Driver:
    if "python" not in driver.work.name:
        pytest.skip("of the Python source, or of neither")
    return driver


def test_where_the_first_batch_began_is_known_after_a_kill(python: Driver) -> None:
    """Spark writes no beginning of the first batch down, so its offset holds it: the newest moves on meanwhile."""
    again, range_ = python.run(
        """
from jobs.spark_kafka_source import Options, StreamReader
from jobs.kafka_offsets import FIRST
class Moving:
    end = 10
    def ends(self):
        self.end += 5
        return {"t": {"0": self.end}}
    def resolve(self, named):
        return self.ends()
    def slices(self, start, end):
        return [start["t"]["0"], end["t"]["0"]]
def reader():
    made = StreamReader(Options.of({"kafka.bootstrap.servers": "x", "subscribe": "t", "startingOffsets": "latest"}))
    made._cluster = moving
    return made
moving = Moving()
planned = json.loads(json.dumps(reader().latestOffset()))
after = reader()
assert after.partitions(planned, planned) == []
say([after.initialOffset(), after.partitions(after.initialOffset(), planned)])
"""
    )
    assert (again, range_) == ({"t": {"0": 15}}, [15, 20])


def test_spark_reads_and_writes_the_local_s3(cloud: Cloud, python: Driver) -> None:
    """By both names that a path may have; a second run of a day replaces that day alone."""
    import boto3

    given = cloud.aws_environment()
    s3 = boto3.client(
        "s3",
        endpoint_url=given["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    s3.create_bucket(Bucket="lake")
    counts = python.run(
        """
frame = spark.range(300).selectExpr("id", "date_add(date'2026-11-01', cast(id % 3 as int)) as day")
frame.write.partitionBy("day").parquet("s3a://lake/days")
frame.where("id < 30 and day = '2026-11-02'").write.mode("overwrite").partitionBy("day").parquet("s3://lake/days")
say([row["count"] for row in spark.read.parquet("s3a://lake/days").groupBy("day").count().orderBy("day").collect()])
"""
    )
    assert counts == [100, 10, 100]
    assert not [each for each in s3.list_objects_v2(Bucket="lake")["Contents"] if "_temporary" in each["Key"]]
