"""Python code that speaks to a Kafka with the real client, in the environment that has it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from infra import envs
from infra.local import Cloud
from infra.paths import ROOT

PRELUDE = '''
import json, sys, time
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

bootstrap = sys.argv[1]
base = {"bootstrap.servers": bootstrap, "log_level": 0}
admin = AdminClient(base)

def make(name, partitions=1, replication=1, **settings):
    new = NewTopic(name, partitions, replication, config={key.replace("_", "."): value for key, value in settings.items()})
    for answer in admin.create_topics([new]).values():
        answer.result(10)

def producer(**settings):
    return Producer({**base, "acks": "all", **{key.replace("_", "."): value for key, value in settings.items()}})

def send(name, *values, by=None, **how):
    by = by or producer()
    for value in values:
        by.produce(name, value, **how)
    assert by.flush(20) == 0, "not all was acknowledged"

def consumer(group, **settings):
    own = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": 6000}
    return Consumer({**base, **own, **{key.replace("_", "."): value for key, value in settings.items()}})

def read(name, isolation="read_committed"):
    """Return all that is in a topic now: partition, offset, key and value."""
    one = consumer("reader", isolation_level=isolation, enable_partition_eof=True)
    left = set(admin.list_topics(name, timeout=10).topics[name].partitions)
    one.assign([TopicPartition(name, partition, 0) for partition in left])
    found, text = [], lambda data: None if data is None else data.decode()
    while left:
        message = one.poll(20)
        assert message is not None, f"the end of {left} does not come"
        if message.error() is None:
            found.append([message.partition(), message.offset(), text(message.key()), text(message.value())])
        elif message.error().code() == KafkaError._PARTITION_EOF:
            left.discard(message.partition())
        else:
            raise KafkaException(message.error())
    one.close()
    return sorted(found)

def say(value):
    print(json.dumps(value), flush=True)
'''


def start(cloud: Cloud, code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start some code that has the prelude's functions."""
    command = [str(envs.ensure("kafka")), "-P", "-c", PRELUDE + code, cloud.endpoint("kafka").url, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(cloud: Cloud, code: str, *arguments: str) -> Any:
    """Run some code, and return the last value that it said."""
    process = start(cloud, code, *arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3000:]
    return json.loads(out.splitlines()[-1])


def topics_job(cloud: Cloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the job that makes topics."""
    command = [str(envs.ensure("kafka")), "-P", "-m", "jobs.kafka_topics"]
    command += ["--bootstrap", cloud.endpoint("kafka").url, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
