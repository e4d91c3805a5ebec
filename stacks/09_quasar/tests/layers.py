"""The layers as processes on a local cloud, for tests that kill them: what they read, what they write, and the truth."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import psutil
import psycopg
from quasar.compare import MINUTES, TOTALS, difference
from quasar.generate import Plan
from quasar.journal import read
from quasar.truth import Truth, truth

from infra import envs
from infra.local import Cloud, spark
from infra.paths import ROOT
from tests.support.local_aws import until

HOME = ROOT / "stacks" / "09_quasar"
PARTITIONS = 3
READ_LETTERS = """
import json, sys
from confluent_kafka import Consumer, TopicPartition
from jobs.dead_letters import DeadLetter
from jobs.kafka import client_settings
consumer = Consumer({**client_settings(), "group.id": "reader", "enable.partition.eof": True, "enable.auto.commit": False})
topic = sys.argv[1]
left = set(consumer.list_topics(topic, timeout=20).topics[topic].partitions)
consumer.assign([TopicPartition(topic, each, 0) for each in left])
found = []
while left:
    message = consumer.poll(20)
    assert message is not None
    if message.error():
        left.discard(message.partition())
    else:
        letter = DeadLetter.consumed(message)
        found.append([*letter.place, letter.reason, letter.message, (letter.value or b"").hex()])
print(json.dumps(found))
"""


class Layers:
    """One topic, one archive, one store, and the processes between them.

    Parameters
    ----------
    cloud : Cloud
        With kafka, postgres and aws.
    folder : Path
        For journal, checkpoints and logs.
    name : str
        Tells it from others on the same cloud.
    """

    def __init__(self, cloud: Cloud, folder: Path, name: str) -> None:
        self.cloud, self.folder, self.topic, self.letters = cloud, folder, name, f"{name}.dead-letters"
        folder.mkdir(parents=True)
        self.journal = folder / "journal"
        self.database = cloud.provision_database(name.replace("-", "_"))
        s3 = self.client("s3")
        s3.create_bucket(Bucket=name)
        login = json.dumps({"username": self.database.user, "password": self.database.password})
        secret = self.client("secretsmanager").create_secret(Name=name, SecretString=login)["ARN"]
        self.environment = {
            **cloud.aws_environment(),
            **spark.environment("tests"),
            "HOME": os.environ.get("HOME", "/"),
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HOME / "src")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "KAFKA_BOOTSTRAP_SERVERS": cloud.endpoint("kafka").url,
            "DB_HOST": self.database.host,
            "DB_PORT": str(self.database.port),
            "DB_NAME": self.database.database,
            "DB_SECRET_ARN": secret,
            "DB_SSLMODE": "prefer",
            "SPARK_FOLDER": str(folder / "spark"),
            "QUASAR_TOPIC": self.topic,
            "QUASAR_DEAD_LETTERS": self.letters,
            "QUASAR_BUCKET": name,
            "QUASAR_CHECKPOINTS": str(folder / "checkpoints"),
            "QUASAR_ARCHIVE_EVERY_S": "0.5",
            "QUASAR_WINDOWS_EVERY_S": "0.5",
            "QUASAR_MAX_PER_TRIGGER": "4000",
            # Short runs: what the JVM's second compiler would gain, it would not earn back.
            "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1",
        }
        self.partitions(PARTITIONS)

    def client(self, service: str) -> Any:
        """Return a client of the local AWS."""
        environment = self.cloud.aws_environment()
        return boto3.client(
            service,
            endpoint_url=environment["AWS_ENDPOINT_URL"],
            region_name="us-east-1",
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        )

    def partitions(self, count: int, clock: str = "LogAppendTime") -> None:
        """Make the topics, or give the one of the telemetry more partitions."""
        settings = {"message.timestamp.type": clock}
        topics = {self.topic: {"partitions": count, "settings": settings}, self.letters: {"partitions": 1}}
        (self.folder / "topics.json").write_text(json.dumps(topics))
        self.kafka("-m", "jobs.kafka_topics", "apply", "--topics", str(self.folder / "topics.json"))

    def kafka(self, *arguments: str, given: str = "") -> str:
        """Run something in the environment that has Kafka's client, to its end."""
        command = [str(envs.ensure("kafka")), "-P", *arguments]
        done = subprocess.run(command, env=self.environment, input=given, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def sending(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start the simulator."""
        command = [str(envs.ensure("kafka")), "-P", "-m", "quasar.simulate", "--topic", self.topic]
        command += ["--journal", str(self.journal), *arguments]
        with open(self.folder / "simulate.log", "ab") as log:
            given = {**self.environment, **environment}
            return subprocess.Popen(command, env=given, stdout=log, stderr=log, start_new_session=True)

    def send(self, count: int, *arguments: str) -> None:
        """Send some messages, and return when they are acknowledged."""
        process = self.sending("--events", str(count), *arguments)
        assert process.wait(120) == 0, (self.folder / "simulate.log").read_text()[-3000:]

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start one of the layers; what it says is in a log of its name."""
        command = [str(spark.python(print)), "-P", "-u", "-m", f"quasar.{module}", *arguments]
        with open(self.log(module), "ab") as log:
            given = {**self.environment, **environment}
            return subprocess.Popen(command, env=given, stdout=log, stderr=log, start_new_session=True)

    def log(self, module: str) -> Path:
        """Return the file with what a layer said."""
        return self.folder / f"{module}.log"

    def said(self, module: str) -> list[dict[str, Any]]:
        """Return the events that a layer logged, of all its starts."""
        lines = self.log(module).read_text(errors="replace").splitlines() if self.log(module).exists() else []
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return [each for each in found if isinstance(each, dict) and "event" in each]

    def run(self, module: str, *arguments: str, timeout: float = 150) -> dict[str, Any]:
        """Run a layer to its end, and return the line with which it finished."""
        process = self.start(module, *arguments)
        code = self.ended(process, timeout)
        assert code == 0, self.log(module).read_text(errors="replace")[-4000:]
        return self.said(module)[-1]

    def ended(self, process: subprocess.Popen[bytes], timeout: float = 150) -> int:
        """Wait until a process and its JVM have ended, and return its code; one that takes too long is stopped."""
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            code = process.wait(20)
        until(lambda: not left_of(process.pid), 60, "the JVM ends with its driver")
        return code

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """Kill a process as it is, and wait until its JVM has noticed."""
        if process.poll() is None:
            process.kill()
        self.ended(process)

    @contextmanager
    def store(self) -> Iterator[psycopg.Connection[Any]]:
        """Connect to the store."""
        made = self.database
        with psycopg.connect(
            host=made.host,
            port=made.port,
            dbname=made.database,
            user=made.user,
            password=made.password,
            autocommit=True,
        ) as connection:
            yield connection

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the store."""
        with self.store() as connection:
            return connection.execute(query.encode()).fetchall()

    def python(self, *arguments: str) -> str:
        """Run something in the environment that has Spark, without a session, to its end."""
        command = [str(spark.python(print)), "-P", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def plan(self) -> Plan:
        """Return what the gateways send."""
        return read(self.journal)[0]

    def truth(self) -> Truth:
        """Return what the journal says must come of what was sent."""
        plan, sent, mixed = read(self.journal)
        assert not mixed
        return truth(plan, sent)

    def against_the_journal(self) -> str:
        """Return the first thing that is not as it was sent, nothing when all is."""
        return difference(self.truth(), self.ask(MINUTES), self.ask(TOTALS))

    def dead_letters(self) -> list[list[Any]]:
        """Return what is in the dead-letter topic: topic, partition, offset, reason, what is wrong, the bytes as hex."""
        return list(json.loads(self.kafka("-c", READ_LETTERS, self.letters)))


def left_of(group: int) -> list[psutil.Process]:
    """Return the JVMs of a process group that run still."""
    found = []
    for process in psutil.process_iter(["name", "status"]):
        try:
            alive = process.info["status"] != psutil.STATUS_ZOMBIE
            if process.info["name"] == "java" and alive and os.getpgid(process.pid) == group:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
