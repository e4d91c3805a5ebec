"""10_nova as Terraform gets it, with each source."""

from __future__ import annotations

import json
import re
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

RESERVED = set(
    [
        "account",
        "all",
        "alter",
        "and",
        "any",
        "as",
        "between",
        "by",
        "case",
        "cast",
        "check",
        "column",
        "connect",
        "constraint",
        "create",
        "cross",
        "current",
        "current_date",
        "current_time",
        "current_timestamp",
        "current_user",
        "database",
        "delete",
        "distinct",
        "drop",
        "else",
        "exists",
        "false",
        "following",
        "for",
        "from",
        "full",
        "grant",
        "group",
        "gscluster",
        "having",
        "ilike",
        "in",
        "increment",
        "inner",
        "insert",
        "intersect",
        "into",
        "is",
        "issue",
        "join",
        "lateral",
        "left",
        "like",
        "localtime",
        "localtimestamp",
        "minus",
        "natural",
        "not",
        "null",
        "of",
        "on",
        "or",
        "order",
        "organization",
        "qualify",
        "regexp",
        "revoke",
        "right",
        "rlike",
        "row",
        "rows",
        "sample",
        "schema",
        "select",
        "set",
        "some",
        "start",
        "table",
        "tablesample",
        "then",
        "to",
        "trigger",
        "true",
        "try_cast",
        "union",
        "unique",
        "update",
        "using",
        "values",
        "view",
        "when",
        "whenever",
        "where",
        "with",
    ]
)
"""Snowflake's words that can't be names without quotes."""


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


def test_the_way_back_may_forget_the_connectors_place_and_delete_nothing_else(tmp_path: Path) -> None:
    from nova import recover

    grants = made(tmp_path)["module"]["task"]["grants"]
    own = [each for each in grants.values() if isinstance(each, dict)]
    (only,) = [each for each in own if any("Delete" in action for action in each["actions"])]
    (topic,) = only["resources"]
    assert topic.endswith(f":topic/orrery-10-nova-stream/*/orrery-10-nova-shop.{recover.PLACE}")


def test_the_shop_has_to_prove_its_name_to_the_task(tmp_path: Path) -> None:
    ca = made(tmp_path)["module"]["task"]["environment"]["NOVA_SOURCE_CA"]
    assert f"'{ca}'" in (catalog.built("10_nova").path / "Dockerfile").read_text()


def test_views_are_made_in_another_role_than_landing(tmp_path: Path) -> None:
    modules = made(tmp_path)["module"]
    environment = modules["task"]["environment"]
    assert environment["NOVA_SNOWFLAKE_ROLE"] == "${module.pipeline.loader_role}"
    assert environment["NOVA_SNOWFLAKE_MERGER_ROLE"] == "${module.pipeline.merger_role}"


def test_a_merge_that_fails_goes_on_and_a_merge_that_stands_still_is_told(tmp_path: Path) -> None:
    modules = made(tmp_path)["module"]
    assert modules["pipeline"]["tasks"]["MERGE"]["failures_to_suspend"] == 0
    alarm = modules["alarms"]["alarms"]["unmerged"]
    assert (alarm["metric"], alarm["treat_missing"]) == ("nova.merge.lag", "breaching")
    assert ["views", "sync"] in [each["command"] for each in modules["task"]["schedules"].values()]


def test_no_name_in_the_statements_is_a_word_of_snowflakes() -> None:
    """The local warehouse takes some of them as names; Snowflake takes none."""
    names = set[str]()
    for path in (catalog.built("10_nova").path / "sql").rglob("*.sql"):
        if "source" in path.parts:
            continue
        code = " ".join(line.partition("--")[0] for line in path.read_text().lower().splitlines())
        names |= set(re.findall(r"\bas (?!select\b)([a-z_]+)\b(?! \()", code))
        names |= set(re.findall(r"(?:\bwith|,) ([a-z_]+) as (?:materialized )?\(", code))
        for columns in re.findall(r"create table if not exists [a-z_.]+ \((.*?)\);", code):
            names |= {each.split()[0] for each in re.split(r",(?![^(]*\))", columns)}
    assert {"ordered", "waiting", "batch", "awaiting_snapshot"} <= names
    assert names & RESERVED == set()


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
    told = made(tmp_path, make_warehouse=False, alarm_user_arn="arn:aws:iam::1:user/x", alarm_external_id="y")
    assert told["module"]["teller"]["principal_arn"] == "arn:aws:iam::1:user/x"


@pytest.mark.parametrize("source", ["mysql", "postgres"])
def test_the_local_cloud_starts_the_chosen_source(tmp_path: Path, source: str) -> None:
    local = targets.local({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {})
    info = settings.choose(catalog.built("10_nova"), [f"source={source}"])
    composed, configuration = stack.create(info, local, tmp_path)
    assert composed.stand_ins == {"shop": source, "stream": "kafka", "capture": "debezium"}
    assert info.needed_services == ("aws", "kafka", "snowflake", "debezium", source)
    assert list(configuration["provider"]) == ["aws"]
