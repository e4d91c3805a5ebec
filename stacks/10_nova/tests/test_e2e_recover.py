"""The way back, as a person goes it: with a shop, a broker and a warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from infra.local import Cloud

from .conftest import begun, program, started

pytestmark = pytest.mark.e2e
PREFIX = "back"
NAMES = ("customers", "orders", "order_lines", "payments", "transaction", "notifications")


@pytest.fixture(scope="module", params=["mysql", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, str]]:
    home = tmp_path_factory.mktemp("recover") / ".orrery"
    for cloud in started(home, [request.param, "kafka", "snowflake"]):
        yield cloud, request.param


MAKE = "from nova import warehouse\nwith warehouse.opened() as store: warehouse.make(store)"
HOLD = """
from nova import warehouse
with warehouse.opened() as store, store.transaction():
    store.query("update nova_core.progress set awaiting_snapshot = true")
    print("held", flush=True)
    input()
"""
"""What a merge does that runs just now."""
ASK = "select p.awaiting_snapshot, count(o.topic) from nova_core.progress as p cross join nova_landing.offsets as o group by 1"


def test_what_waits_is_forgotten_and_a_snapshot_awaited(
    place: tuple[Cloud, str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    cloud, service = place
    made = (cloud.provision_mysql if service == "mysql" else cloud.provision_database)("back_shop")
    broker = cloud.endpoint("kafka")
    more = {
        "KAFKA_BOOTSTRAP_SERVERS": f"{broker.host}:{broker.port}",
        "KAFKA_AUTHENTICATION": "none",
        "NOVA_TOPIC_PREFIX": PREFIX,
        "NOVA_SOURCE": {"mysql": "mysql", "postgres": "postgresql"}[service],
        **{
            f"NOVA_SOURCE_{name.upper()}": str(getattr(made, name))
            for name in ("host", "port", "database", "user", "password")
        },
    }

    def run(*arguments: str) -> tuple[int, str]:
        done = program(cloud, "back", *arguments, **more)
        return done.returncode, done.stdout + done.stderr

    assert run("-c", MAKE)[0] == 0
    code, said = run("-m", "nova.recover")
    assert code == 1 and "there is no topic back.customers: make the topics first" in said and "Traceback" not in said
    topics = {
        f"{PREFIX}.{name}": {"partitions": 2, "replication": 1, "settings": {}} for name in (*NAMES, "connect-offsets")
    }
    file = tmp_path_factory.mktemp("topics") / "topics.json"
    file.write_text(json.dumps(topics))
    assert run("-m", "jobs.kafka_topics", "apply", "--topics", str(file))[0] == 0
    for forgotten in ("true", "false"):
        code, said = run("-m", "nova.recover")
        assert code == 0 and f'"place_forgotten": {forgotten}' in said, said
    merge = begun(cloud, "back", "-c", HOLD)
    assert merge.stdout and merge.stdout.readline() == "held\n"
    beside = begun(cloud, "back", "-m", "nova.recover", **more)
    assert beside.stdout and any("warehouse_refuses" in line for line in beside.stdout)
    merge.communicate("\n", timeout=60)
    said = beside.stdout.read()
    assert beside.wait(60) == 0 and "awaits_snapshot" in said and "Traceback" not in said, said
    code, said = run("-m", "nova.ask", ASK)
    assert json.loads(said.splitlines()[0])["rows"] == [[True, 12]], said
