"""10_nova as Terraform gets it, with each source."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, settings, stack, targets
from infra.errors import OrreryError

BEYOND = {"warehouse", "pipeline", "teller"}
"""What is there only where Snowflake's database is made, too."""
OWN = {
    "alarms",
    "alerts",
    "capture",
    "entrance",
    "key",
    "login",
    "missed",
    "network",
    "plugins",
    "shop",
    "stream",
    "task",
}


def made(folder: Path, *choices: str, **more: Any) -> dict[str, Any]:
    info = settings.choose(catalog.built("10_nova"), list(choices))
    return stack.create(replace(info, settings={**info.settings, **more}), targets.offline(), folder)[1]


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_the_source_is_what_was_chosen(tmp_path: Path, source: str) -> None:
    modules = made(tmp_path, f"source={source}")["module"]
    assert modules.keys() == OWN | BEYOND
    assert modules["shop"]["source"].endswith(f"modules/{source}") and modules["capture"]["engine"] == source
    assert modules["task"]["environment"]["NOVA_SOURCE"] == {"mysql": "mysql", "postgres": "postgresql"}[source]


def test_a_transaction_of_the_shop_is_named_by_its_place(tmp_path: Path) -> None:
    """With global numbers Debezium's end messages would say no position, and nothing would ever be merged."""
    assert made(tmp_path)["module"]["shop"]["gtid"] is False


def test_an_unknown_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="10_nova has no source 'oracle'"):
        made(tmp_path, "source=oracle")


def test_everything_in_aws_is_encrypted_with_the_stacks_own_key(tmp_path: Path) -> None:
    modules = made(tmp_path)["module"]
    encrypted = OWN - {"alarms", "key"}
    assert {modules[name]["kms_key_arn"] for name in encrypted} == {"${module.key.arn}"}


def test_no_password_stands_in_the_configuration(tmp_path: Path) -> None:
    modules = made(tmp_path)["module"]
    told = json.dumps([modules["task"]["environment"], modules["capture"]["config"]]).lower()
    assert "password" not in told and "private_key" not in told


def test_nothing_that_debezium_says_is_lost(tmp_path: Path) -> None:
    config = made(tmp_path)["module"]["capture"]["config"]
    assert config["decimal.handling.mode"] == "string" and "time.precision.mode" not in config
    assert config["notification.sink.topic.name"] == "orrery-10-nova-shop.notifications"


def test_the_loader_may_read_its_topics_and_write_dead_letters_alone(tmp_path: Path) -> None:
    stream = made(tmp_path)["module"]["stream"]
    loader = stream["clients"]["loader"]
    assert loader["writes"] == ["orrery-10-nova-shop.dead-letters"]
    assert {*loader["reads"], *loader["writes"]} == set(stream["topics"])


def test_the_task_has_the_rights_of_the_loader_and_of_who_makes_topics(tmp_path: Path) -> None:
    modules = made(tmp_path)["module"]
    grants = modules["task"]["grants"]
    of_loader = {f"kafka_{each}" for each in ("connect", "read_topics", "write_topics", "use_groups")}
    assert of_loader | {"kafka_make_topics"} <= grants.keys()
    (client,) = modules["stream"]["clients"]
    for name in of_loader:
        assert f'module.stream.grants["{client}"]["{name.removeprefix("kafka_")}"]' in grants[name]
    assert 'module.stream.admin_grants["make_topics"]' in grants["kafka_make_topics"]


def test_snowflakes_task_runs_the_statements_of_the_local_merge(tmp_path: Path) -> None:
    from nova import warehouse

    task = made(tmp_path)["module"]["pipeline"]["tasks"]["MERGE"]
    assert task["statements"] == warehouse.merge_statements() and task["watches"] == ["MESSAGES"]


def test_alarms_are_about_what_is_emitted(tmp_path: Path) -> None:
    from nova import metrics

    alarms = made(tmp_path)["module"]["alarms"]["alarms"]
    assert {each["metric"] for each in alarms.values()} <= metrics.METRICS.keys()
    assert {each["namespace"] for each in alarms.values()} == {metrics.NAMESPACE}


def test_a_warehouse_that_somebody_else_made_is_entered_by_the_same_names(tmp_path: Path) -> None:
    configuration = made(tmp_path, make_warehouse=False)
    assert list(configuration["provider"]) == ["aws"] and not BEYOND & configuration["module"].keys()
    assert configuration["module"]["task"]["environment"]["NOVA_SNOWFLAKE_ROLE"] == "ORRERY_NOVA_LOADER"


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_the_local_cloud_starts_the_chosen_source(tmp_path: Path, source: str) -> None:
    local = targets.local({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {})
    info = settings.choose(catalog.built("10_nova"), [f"source={source}"])
    composed, configuration = stack.create(info, local, tmp_path)
    assert composed.stand_ins == {"shop": source, "stream": "kafka", "capture": "debezium"}
    assert info.needed_services == ("aws", "kafka", "snowflake", "debezium", source)
    assert list(configuration["provider"]) == ["aws"]
