"""The tiers of 14_blackhole as Terraform gets them: what stands ready in the second region, and what doesn't."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, settings, stack, targets
from infra.errors import OrreryError
from infra.package import Package

HOME, AWAY = "us-east-1", "eu-west-1"
BOTH = {"function_us", "api_us", "function_eu", "api_eu"}
TIERS = ("backup_restore", "pilot_light", "warm_standby", "active_active")


@pytest.fixture(scope="module", autouse=True)
def _no_packages() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stack, "build_package", lambda name, *_, **__: Package(f"/{name}.zip", "c2hh", "python3.12", 1))
        yield


def built(folder: Path, *chosen: str) -> tuple[stack.Stack, dict[str, Any]]:
    return stack.create(settings.choose(catalog.built("14_blackhole"), chosen), targets.offline(), folder)


def made(folder: Path, *chosen: str) -> dict[str, Any]:
    return dict(built(folder, *chosen)[1]["module"])


def away(modules: dict[str, Any]) -> set[str]:
    """Return the modules that stand in the second region."""
    return {name for name, block in modules.items() if block.get("providers", {}).get("aws") == "aws.eu_west_1"}


def record(modules: dict[str, Any]) -> dict[str, Any]:
    return dict(modules["name"]["records"]["users"])


def test_without_a_choice_both_regions_are_equal_and_the_state_remembers_nothing(tmp_path: Path) -> None:
    _, configuration = built(tmp_path)
    assert configuration["module"].keys() >= BOTH
    assert settings.OUTPUT not in configuration["output"]
    assert not {"routing", "primary"} & record(configuration["module"]).keys()


def test_a_warm_standby_is_all_there_and_small(tmp_path: Path) -> None:
    modules = made(tmp_path, "tier=warm_standby")
    assert modules.keys() >= BOTH
    assert modules["function_eu"]["reserved_concurrency"] == 10
    assert modules["function_us"]["reserved_concurrency"] == 100
    assert (record(modules)["routing"], record(modules)["primary"]) == ("failover", HOME)
    assert set(record(modules)["endpoints"]) == {HOME, AWAY}


def test_a_promoted_standby_carries_as_much_as_the_primary(tmp_path: Path) -> None:
    modules = made(tmp_path, "tier=warm_standby", "promoted=true")
    assert modules["function_eu"]["reserved_concurrency"] == 100


def test_a_pilot_light_has_the_data_and_nobody_who_serves_it(tmp_path: Path) -> None:
    modules = made(tmp_path, "tier=pilot_light")
    assert away(modules) == {"key_away", "avatars_eu"}
    assert set(modules["users"]["replicas"]) == set(modules["pepper"]["replicas"]) == {AWAY}
    assert "avatar_replication" in modules
    assert set(record(modules)["endpoints"]) == {HOME} and record(modules)["primary"] == HOME
    assert set(modules["alarms_health"]["alarms"]) == {f"{HOME}-unhealthy"}


def test_a_promoted_pilot_light_is_a_second_region_behind_the_primary(tmp_path: Path) -> None:
    promoted, all_of_it = made(tmp_path / "1", "tier=pilot_light", "promoted=true"), made(tmp_path / "2")
    assert promoted.keys() == all_of_it.keys()
    assert set(record(promoted)["endpoints"]) == {HOME, AWAY} and record(promoted)["primary"] == HOME
    assert promoted["function_eu"] == all_of_it["function_eu"]


def test_promotion_touches_nothing_that_holds_data(tmp_path: Path) -> None:
    before, after = made(tmp_path / "1", "tier=pilot_light"), made(tmp_path / "2", "tier=pilot_light", "promoted=true")
    assert {name for name in before if before[name] != after[name]} == {"name", "alarms_health"}


def test_with_backups_alone_one_region_holds_and_serves(tmp_path: Path) -> None:
    modules = made(tmp_path, "tier=backup_restore")
    assert away(modules) == {"key_away"}
    assert "replicas" not in modules["users"] and "avatar_replication" not in modules
    assert set(modules["pepper"]["replicas"]) == {AWAY}, "what AWS Backup can't save is there all the same"
    assert set(record(modules)["endpoints"]) == {HOME}


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_copies_a_daily_backup_under_the_second_regions_key(tmp_path: Path, tier: str) -> None:
    backup = made(tmp_path, f"tier={tier}")["backup"]
    assert backup["providers"] == {"aws.source": "aws", "aws.copy": "aws.eu_west_1"}
    assert backup["table_arns"] == ["${module.users.arn}"] and backup["bucket_arns"] == ["${module.avatars_us.arn}"]
    assert backup["kms_key_arn"] == "${module.key.arn}"
    assert backup["copy"] == {"kms_key_arn": "${module.key_away.arn}"}
    assert backup["force_destroy"] is False and backup["lock"]["min_retention_days"] == 7


@pytest.mark.parametrize("tier", TIERS)
def test_every_tier_names_no_output_of_what_is_not_there(tmp_path: Path, tier: str) -> None:
    _, configuration = built(tmp_path, f"tier={tier}")
    text = json.dumps(configuration["output"])
    for part in ("api_eu", "avatars_eu", "alerts_eu"):
        assert (f"module.{part}." in text) == (part in configuration["module"])


def test_a_tier_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="14_blackhole has no tier 'hot'") as refused:
        made(tmp_path, "tier=hot")
    assert refused.value.next_step == "choose one of: backup_restore, pilot_light, warm_standby, active_active"


def test_where_only_backups_are_there_is_nothing_to_promote(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="nothing to promote in eu-west-1"):
        made(tmp_path, "tier=backup_restore", "promoted=true")


@pytest.mark.parametrize(
    ("chosen", "next_step"),
    [
        (["tier=backup_restore"], "SET=tier=warm_standby"),
        (["tier=pilot_light"], 'SET="tier=pilot_light promoted=true"'),
    ],
)
def test_where_one_region_serves_there_is_no_drill(tmp_path: Path, chosen: list[str], next_step: str) -> None:
    found, _ = built(tmp_path, *chosen)
    assert found.no_drill and "only us-east-1 serves" in found.no_drill[0]
    assert found.no_drill[1].endswith(next_step)


@pytest.mark.parametrize("chosen", [[], ["tier=warm_standby"], ["tier=pilot_light", "promoted=true"]])
def test_where_two_regions_serve_there_is_one(tmp_path: Path, chosen: list[str]) -> None:
    assert built(tmp_path, *chosen)[0].no_drill is None
