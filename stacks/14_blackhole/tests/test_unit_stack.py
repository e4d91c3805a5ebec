"""What 14_blackhole hands to Terraform: two equal regions, each on its own feet."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, stack, targets
from infra.package import Package

HOME, AWAY = "us-east-1", "eu-west-1"
REGIONS = {"us": HOME, "eu": AWAY}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The stack as it is planned for AWS."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "build_package", lambda name, *_, **__: Package(f"/{name}.zip", "c2hh", "python3.12", 1))
        folder = tmp_path_factory.mktemp("synth")
        return stack.create(catalog.built("14_blackhole"), targets.offline(), folder)[1]


@pytest.fixture(scope="module")
def modules(made: dict[str, Any]) -> dict[str, Any]:
    return dict(made["module"])


def region_of(block: dict[str, Any]) -> str:
    return AWAY if block.get("providers", {}).get("aws") == "aws.eu_west_1" else HOME


def mirrored(block: dict[str, Any]) -> str:
    """Return a module of one region as it should stand in the other."""
    text = json.dumps({key: value for key, value in block.items() if key != "providers"}, sort_keys=True)
    swaps = {HOME: AWAY, AWAY: HOME, "module.key.": "module.key_away.", "module.key_away.": "module.key."}
    swaps |= {"avatars-us": "avatars-eu", "avatars-eu": "avatars-us", "_us.": "_eu.", "_eu.": "_us."}
    swaps |= {"api-us": "api-eu", "api-eu": "api-us", "a_to_b": "b_to_a", "b_to_a": "a_to_b"}
    swaps |= {'"orrery-14-blackhole-us"': '"orrery-14-blackhole-eu"'}
    return re.sub("|".join(sorted(map(re.escape, swaps), key=len, reverse=True)), lambda found: swaps[found[0]], text)


@pytest.mark.parametrize("part", ["avatars", "alerts", "function", "api", "alarms"])
def test_both_regions_are_built_alike(modules: dict[str, Any], part: str) -> None:
    home, away = modules[f"{part}_us"], modules[f"{part}_eu"]
    assert (region_of(home), region_of(away)) == (HOME, AWAY)
    plain = json.dumps({key: value for key, value in away.items() if key != "providers"}, sort_keys=True)
    assert mirrored(home) == plain


@pytest.mark.parametrize("short", ["us", "eu"])
def test_a_regions_function_may_touch_its_own_region_only(modules: dict[str, Any], short: str) -> None:
    here, there = REGIONS[short], REGIONS["eu" if short == "us" else "us"]
    function = modules[f"function_{short}"]
    grants = json.dumps(function["grants"])
    assert f"arn:aws:dynamodb:{here}:" in grants and f"arn:aws:secretsmanager:{here}:" in grants
    assert there not in json.dumps(function)
    other_key = "module.key_away." if here == HOME else "module.key."
    assert other_key not in json.dumps(function)


@pytest.mark.parametrize("short", ["us", "eu"])
def test_a_function_may_do_what_it_does_and_no_more(modules: dict[str, Any], short: str) -> None:
    grants = modules[f"function_{short}"]["grants"]
    actions = {action for grant in grants.values() for action in grant["actions"]}
    assert actions == {
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "secretsmanager:GetSecretValue",
        "kms:Decrypt",
    }
    resources = [resource for grant in grants.values() for resource in grant["resources"]]
    assert "*" not in resources


@pytest.mark.parametrize("short", ["us", "eu"])
def test_only_the_readiness_route_is_public(modules: dict[str, Any], short: str) -> None:
    routes = modules[f"api_{short}"]["routes"]
    assert [route for route, how in routes.items() if how.get("public")] == ["GET /ready"]
    assert modules[f"api_{short}"].get("authorization", "AWS_IAM") == "AWS_IAM"
    assert {how["function_arn"] for how in routes.values()} == {f"${{module.function_{short}.arn}}"}


def test_the_public_name_leads_to_both_regions_by_their_health(modules: dict[str, Any]) -> None:
    endpoints = modules["name"]["records"]["users"]["endpoints"]
    assert set(endpoints) == set(REGIONS.values())
    for short, region in REGIONS.items():
        assert f"module.api_{short}." in endpoints[region]["target"]
        assert endpoints[region]["health_check"]["path"] == "/ready"
        assert endpoints[region]["health_check"]["host"] == endpoints[region]["target"]


def test_data_is_in_both_regions_under_each_regions_own_key(modules: dict[str, Any]) -> None:
    for name in ("users", "pepper"):
        assert modules[name]["kms_key_arn"] == "${module.key.arn}"
        assert modules[name]["replicas"] == {AWAY: "${module.key_away.arn}"}
    assert modules["key"]["multi_region"] is True
    assert modules["key_away"]["replica_of"] == {"key_arn": "${module.key.arn}"}
    replication = modules["avatar_replication"]
    assert replication["providers"] == {"aws.a": "aws", "aws.b": "aws.eu_west_1"}
    assert replication["a"]["kms_key_arn"] == "${module.key.arn}"
    assert replication["b"]["kms_key_arn"] == "${module.key_away.arn}"


def test_each_region_tells_its_own_topic(modules: dict[str, Any]) -> None:
    for short in REGIONS:
        assert modules[f"alarms_{short}"]["topic_arns"] == [f"${{module.alerts_{short}.arn}}"]
        assert modules[f"function_{short}"]["alarm_topic_arn"] == f"${{module.alerts_{short}.arn}}"


def test_health_checks_alarm_where_route_53_reports_them(modules: dict[str, Any]) -> None:
    health = modules["alarms_health"]
    assert region_of(health) == HOME
    assert set(health["alarms"]) == {f"{region}-unhealthy" for region in REGIONS.values()}
    assert all(alarm["treat_missing"] == "breaching" for alarm in health["alarms"].values())


def test_on_aws_nothing_that_holds_data_goes_easily(modules: dict[str, Any]) -> None:
    assert modules["users"]["deletion_protection"] is True
    assert modules["pepper"]["recovery_window_days"] == 30
    assert modules["key"]["deletion_window_days"] == modules["key_away"]["deletion_window_days"] == 30
    for name in ("avatars_us", "avatars_eu"):
        assert modules[name]["force_destroy"] is False


def test_the_outputs_lead_to_both_regions(made: dict[str, Any]) -> None:
    wanted = {
        f"{part}_{region.replace('-', '_')}" for part in ("api", "avatars", "topic") for region in REGIONS.values()
    }
    assert wanted | {"backup_vault", "public_name", "zone_id", "users_table", "pepper_secret"} == set(made["output"])


def test_locally_only_the_query_log_is_left_out(tmp_path: Path) -> None:
    environment = {"AWS_ENDPOINT_URL": "x", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    built, made = stack.create(catalog.built("14_blackhole"), targets.local(environment, {}), tmp_path)
    assert built.skipped == ["query_log of name"] and built.stand_ins == {}
    assert made["module"]["avatars_us"]["force_destroy"] is True
