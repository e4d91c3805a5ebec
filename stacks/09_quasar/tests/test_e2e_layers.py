"""Whatever is killed, every count and every sum is what the journal of the gateways says.

Each seed kills the gateways, the broker, the database and the driver with its JVM, the services at moments of its own,
the others where it hurts most. `make seeds STACK=09_quasar SEEDS=20` tries more of them.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from layers import Layers
from quasar import generate
from quasar.generate import Plan

from infra.local import Cloud
from tests.e2e.test_local_cloud import new_cloud, pid_of, restarted
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

PLACES = ("uncommitted", "archived", "unwritten", "uncommitted_windows", "computed", "unreconciled")
"""Before and after a manifest is written, before and after windows are, before and after a day is."""
SERVICES = ("kafka", "postgres", "aws")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    for made in new_cloud(tmp_path_factory.mktemp("quasar")):
        made.up(list(SERVICES))
        yield made


SEND = """
import json, sys
from confluent_kafka import Producer
from jobs.kafka import client_settings
producer = Producer({**client_settings(), "message.max.bytes": 2_000_000, "compression.type": "lz4"})
for value, at in json.loads(sys.stdin.readline()):
    producer.produce(sys.argv[1], value, "device-000001", timestamp=at)
assert producer.flush(30) == 0
"""


def test_no_message_stops_the_stream_whatever_is_in_it(cloud: Cloud, tmp_path: Path) -> None:
    """What once did: extreme numbers, clocks of other ages, and a message that is as large as a topic takes."""
    layers, now = Layers(cloud, tmp_path / "run", "hostile"), int(time.time() * 1000)
    layers.partitions(3, clock="CreateTime")  # as a topic may be that somebody else made
    plan = Plan(seed=1, base_ms=now - 60_000, malformed=0, duplicates=0)
    event = json.loads(next(generate.messages(plan, 0, 1))[3] or b"")
    least, greatest = -(2**63), 2**63 - 1
    broken = [
        {**event, name: value} for name in ("measured_at", "sent_at", "voltage_uv") for value in (least, greatest)
    ]
    sent = [[json.dumps(each), now] for each in broken]
    year_20000 = 568_971_820_800_000
    sent += [["no event", year_20000], ["no event", greatest], ["x" * 1_000_000, now]]
    sent += [[json.dumps({**event, "sent_at": year_20000, "measured_at": year_20000}), year_20000]]
    sent += [[json.dumps(event), now]]
    layers.kafka("-c", SEND, layers.topic, given=json.dumps(sent) + "\n")
    found = layers.run("once")["reconciliation"]
    assert (found["messages"], found["loaded"], found["unexplained"]) == (len(sent), 1, 0)
    letters = layers.dead_letters()
    assert len(letters) == len(sent) - 1
    assert {each[3] for each in letters} == {"impossible_value", "not_json", "too_large"}


def kill(cloud: Cloud, service: str) -> None:
    """Kill a service with all its processes, and wait until its supervisor has it back."""
    pid = pid_of(cloud, service)
    os.kill(pid, signal.SIGKILL)
    until(lambda: restarted(cloud, service, pid), 40, f"{service} comes back")


@pytest.mark.seeds(2)
def test_everything_is_as_it_was_sent_whatever_is_killed(cloud: Cloud, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    layers = Layers(cloud, tmp_path / "run", f"seed-{seed}")
    layers.send(6_000, "--seed", str(seed))
    # Odd seeds kill the driver where it hurts most, even ones driver and JVM at once, at any moment.
    place = PLACES[seed // 2 % len(PLACES)]
    visit = chance.choice((1, 2)) if place not in ("computed", "unreconciled") else 1
    first = layers.start("once", **({"JOBS_FAULT": f"{place}:{visit}"} if seed % 2 else {}))
    # Meanwhile more is sent: the gateways die when the broker has a block that the journal does not know.
    sending = layers.sending("--events", "6000", JOBS_FAULT="unjournaled")
    for service in chance.sample(SERVICES, 3):
        time.sleep(chance.uniform(0, 5))
        kill(cloud, service)
    if not seed % 2:
        time.sleep(chance.uniform(0, 20))
        os.killpg(first.pid, signal.SIGKILL)
    assert sending.wait(120) == -signal.SIGKILL
    layers.send(6_000)
    assert layers.ended(first) == -signal.SIGKILL, f"it dies at {place}: {layers.log('once').read_text()[-2000:]}"

    found = layers.run("once")["reconciliation"]
    assert layers.against_the_journal() == ""
    assert (found["unexplained"], found["waiting"]) == (0, 0)
    truth = layers.truth()
    assert found["messages"] == truth.sent == 12_000
    letters = {tuple(each[:3]): each[3] for each in layers.dead_letters()}
    assert Counter(letters.values()) == truth.malformed, "each is there, and told from its repetition by its place"
