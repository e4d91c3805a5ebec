"""Whatever is killed, every count and every sum is what the journal of the gateways says.

Each seed kills the gateways, the broker, the database and the driver with its JVM, the services at moments of its own,
the others where it hurts most. `make seeds STACK=09_quasar SEEDS=20` tries more of them.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from layers import Layers

from infra.local import Cloud
from tests.e2e.test_local_cloud import new_cloud, pid_of, restarted
from tests.support.local_aws import until

pytestmark = pytest.mark.e2e

PLACES = ("unwritten", "uncommitted_windows", "uncommitted", "computed", "unreconciled")
"""Before and after the windows are written, before a manifest is, before and after a day is."""
SERVICES = ("kafka", "postgres")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    for made in new_cloud(tmp_path_factory.mktemp("quasar")):
        made.up(["aws", *SERVICES])
        yield made


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
    place = PLACES[(seed - 1) % len(PLACES)]
    first = layers.start("once", JOBS_FAULT=place)
    # Meanwhile more is sent: the gateways die when the broker has a block that the journal does not know.
    sending = layers.sending("--events", "6000", JOBS_FAULT="unjournaled")
    for service in chance.sample(SERVICES, 2):
        time.sleep(chance.uniform(0, 5))
        kill(cloud, service)
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
