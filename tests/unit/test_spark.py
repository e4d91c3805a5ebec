"""What a Spark job gets on this machine, and how its batches are planned, without a Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import catalog, deploy
from infra.errors import OrreryError
from infra.output import Ui
from jobs import spark, spark_daemon
from jobs.kafka_offsets import FIRST, admit, flat, nested, without_first
from jobs.spark_kafka import read_batch, read_stream
from tests.unit.test_java import made

DAEMON = "spark.python.daemon.module"
PARTS = st.dictionaries(st.sampled_from("0123456"), st.tuples(st.integers(0, 900), st.integers(0, 10_000)), min_size=1)


@given(parts=PARTS, new=st.integers(0, 500), limit=st.integers(0, 3_000))
def test_a_batch_keeps_its_limit_and_starves_no_partition(
    parts: dict[str, tuple[int, int]], new: int, limit: int
) -> None:
    begin = {"t": {name: start for name, (start, _) in parts.items()}}
    end = {"t": {**{name: start + more for name, (start, more) in parts.items()}, "new": new}}
    taken = {name: upto - begin["t"].get(name, 0) for name, upto in admit(begin, end, limit)["t"].items()}
    waiting = {name: upto - begin["t"].get(name, 0) for name, upto in end["t"].items()}
    assert all(0 <= taken[name] <= waiting[name] for name in waiting)
    assert all(taken[name] for name in waiting if waiting[name]), "each gets at least one"
    busy = sum(map(bool, waiting.values()))
    allowed = max(limit, busy) if limit else sum(waiting.values())
    assert sum(taken.values()) == min(allowed, sum(waiting.values())), "and no room is left unused"


def test_what_waits_longest_gets_most() -> None:
    found = admit({"t": {"0": 0, "1": 0}}, {"t": {"0": 9000, "1": 1000}}, 100)
    assert found == {"t": {"0": 90, "1": 10}}


def test_the_first_batchs_beginning_is_no_topic() -> None:
    offset = {"t": {"0": 3}, FIRST: {"t": {"0": 1}}}
    assert without_first(offset) == {"t": {"0": 3}} == nested(dict(flat({"t": {"0": 3}})))


def test_no_credential_stands_in_a_setting_and_nothing_listens_to_others(tmp_path: Path) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIAXXXX", "AWS_SECRET_ACCESS_KEY": "hidden", "AWS_SESSION_TOKEN": "hidden too"}
    found = spark.local_settings(tmp_path, {**keys, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    assert not any(value in text for value in keys.values() for text in found.values())
    assert {found["spark.driver.host"], found["spark.driver.bindAddress"]} == {"127.0.0.1"}
    assert found["spark.ui.enabled"] == "false"


def test_the_way_to_s3_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark, "s3a_jars", lambda: [Path("/some/hadoop-aws.jar")])
    found = spark.local_settings(tmp_path, {"AWS_ENDPOINT_URL": "http://127.0.0.1:4566", "AWS_REGION": "eu-west-1"})
    s3a = {name.removeprefix("spark.hadoop.fs.s3a."): value for name, value in found.items()}
    assert (s3a["endpoint"], s3a["path.style.access"], s3a["connection.ssl.enabled"]) == (
        "http://127.0.0.1:4566",
        "true",
        "false",
    )
    assert s3a["endpoint.region"] == "eu-west-1"
    assert "spark.hadoop.fs.s3a.endpoint" not in spark.local_settings(tmp_path, {}), "AWS's own, then"


def test_a_stream_keeps_the_memory_it_began_with_and_what_is_short_compiles_once(tmp_path: Path) -> None:
    def options(**kind: bool) -> str:
        return spark.local_settings(tmp_path, {}, **kind)["spark.driver.extraJavaOptions"]

    heap = spark.local_settings(tmp_path, {}, streaming=True)["spark.driver.memory"]
    assert f"-Xms{heap} " in options(streaming=True) and "TrimNativeHeap" in options(streaming=True)
    assert "TieredStopAtLevel=1" in options(streaming=True, short=True)
    assert not any(each in options() for each in ("-Xms", "TrimNativeHeap", "TieredStop")), "a job's ends with it"


class Builder:
    """What `session` asks of pyspark's builder."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def appName(self, name: str) -> Builder:
        return self

    def config(self, key: str, value: str) -> Builder:
        self.settings[key] = value
        return self

    def getOrCreate(self) -> dict[str, str]:
        return self.settings


@pytest.fixture
def pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", SimpleNamespace())
    sql = SimpleNamespace(SparkSession=SimpleNamespace(builder=Builder()))
    monkeypatch.setitem(sys.modules, "pyspark.sql", sql)
    for name in (
        "PYTHONPATH",
        "JAVA_HOME",
        "SPARK_FOLDER",
        "PYSPARK_GATEWAY_PORT",
        "PYSPARK_PYTHON",
        "SPARK_LOCAL_IP",
        "SPARK_LOCAL_DIRS",
    ):
        monkeypatch.setenv(name, "")  # so that what the session sets is taken back
        monkeypatch.delenv(name)


@pytest.mark.usefixtures("pyspark")
def test_a_jobs_own_jars_take_none_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(made(tmp_path / "java", "17.0.1")))
    monkeypatch.setattr(spark, "s3a_jars", lambda: [Path("/some/hadoop-aws.jar")])
    found: Any = spark.session("job", folder=tmp_path, settings={"spark.jars": "/its/own.jar"})
    assert found["spark.jars"] == "/some/hadoop-aws.jar,/its/own.jar"


def test_workers_are_forked_without_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is preloaded, this environment has nothing: like a PySpark 3.5 without Kafka's client."""
    asked: list[str] = []

    def imported(name: str) -> Any:
        asked.append(name)
        if name != "pyspark.daemon":
            raise ImportError(name)
        return SimpleNamespace(manager=lambda: asked.append("manager"))

    monkeypatch.setattr("importlib.import_module", imported)
    monkeypatch.setattr("gc.freeze", lambda: None)
    spark_daemon.main()
    assert asked == [*spark_daemon.PRELOADED, "pyspark.daemon", "manager"]


@pytest.mark.usefixtures("pyspark")
def test_a_submitted_job_keeps_the_masters_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    found = spark.session("job", streaming=True, settings={"spark.sql.shuffle.partitions": "64"})
    assert not {"spark.master", "spark.driver.memory", "spark.jars"} & set(found)
    assert found["spark.sql.session.timeZone"] == "UTC" and found["spark.sql.shuffle.partitions"] == "64"


@pytest.mark.usefixtures("pyspark")
def test_a_job_of_this_machine_is_small_and_keeps_its_files_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(made(tmp_path / "java", "17.0.1")))
    monkeypatch.setenv("SPARK_FOLDER", str(tmp_path / "spark"))
    found: Any = spark.session("job", settings={"spark.sql.shuffle.partitions": "2"})
    assert found["spark.master"] == "local[2]" and found["spark.sql.shuffle.partitions"] == "2"
    assert found["spark.sql.warehouse.dir"].startswith(str(tmp_path / "spark"))
    assert (tmp_path / "spark" / "tmp").is_dir()
    asked = [sys.executable, "-P", "-c", f"import importlib.util; assert importlib.util.find_spec({found[DAEMON]!r})"]
    subprocess.run(asked, check=True, cwd="/")


class Reader:
    """What the Kafka functions ask of Spark's readers."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.readStream = self.read = self

    def format(self, name: str) -> Reader:
        self.asked["format"] = name
        return self

    def options(self, **options: str) -> Reader:
        self.asked |= options
        return self

    def load(self) -> dict[str, Any]:
        return self.asked


MSK = {"KAFKA_BOOTSTRAP_SERVERS": "b-1.example:9098", "KAFKA_AUTHENTICATION": "iam", "AWS_REGION": "eu-west-1"}
PLAIN = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}


def test_the_connector_logs_in_to_msk_as_the_jobs_role() -> None:
    found = read_stream(Reader(), ["a", "b"], max_per_trigger=7, implementation="connector", environment=MSK)
    assert found["format"] == "kafka" and found["subscribe"] == "a,b" and found["maxOffsetsPerTrigger"] == "7"
    assert found["kafka.sasl.mechanism"] == "AWS_MSK_IAM" and found["kafka.security.protocol"] == "SASL_SSL"
    assert found["kafka.isolation.level"] == "read_committed" and found["failOnDataLoss"] == "true"


def test_offsets_are_passed_in_kafkas_own_form() -> None:
    ends = {"a": {"0": 5, "1": -1}}
    found = read_batch(Reader(), ["a"], ending=ends, implementation="connector", environment=PLAIN)
    assert found["startingOffsets"] == "earliest" and json.loads(found["endingOffsets"]) == ends
    assert "kafka.security.protocol" not in found


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"topics": "readings"}, "not a list of names"),
        ({"topics": []}, "not a list of names"),
        ({"max_per_trigger": 0}, "takes nothing"),
        ({"environment": {**PLAIN, "KAFKA_AUTHENTICATION": "scram"}}, "scram is none of"),
    ],
)
def test_what_makes_no_sense_is_refused(what: dict[str, Any], says: str) -> None:
    how = {"topics": ["a"], "environment": PLAIN, "implementation": "connector", **what}
    with pytest.raises(ValueError, match=says):
        read_stream(Reader(), how.pop("topics"), **how)


def test_an_older_spark_without_the_connector_is_told_so() -> None:
    old: Any = SimpleNamespace(version="3.5.8", readStream=Reader())
    with pytest.raises(RuntimeError, match=r"Spark 3.5.8 .* name its jars in spark.jars"):
        read_stream(old, ["a"], implementation="python", environment=PLAIN)


def test_a_stack_with_spark_is_refused_before_anything_is_made_when_java_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("jobs.java._candidates", lambda *_: iter(()))
    info = catalog._info("09_quasar", {**_entry(), "environments": ["spark"]}, built=True, file=tmp_path)
    with pytest.raises(OrreryError, match=r"no Java 17 .*next: apt-get install openjdk-17-jre-headless"):
        deploy.deploy(info, "local", Ui(), yes=True)


def _entry() -> dict[str, Any]:
    words = dict.fromkeys(("title", "domain", "summary"), "x")
    return {**words, "track": 1, "level": "Advanced", "components": ["Spark"]}
