"""Destroying what was deployed leaves no trace in the local cloud."""

from __future__ import annotations

from typing import Any

import pytest

from infra.local import Cloud

pytestmark = pytest.mark.e2e

REGIONS = ["us-east-1", "eu-west-1"]


@pytest.mark.parametrize(
    "stack", ["01_meteor", "02_comet", "04_orbit", "07_nebula", "09_quasar", "10_nova", "14_blackhole"]
)
def test_destroying_a_stack_leaves_nothing(
    orrery: Any, deployments: dict[str, Any], destroyed: dict[str, Any], local_cloud: Cloud, stack: str
) -> None:
    if stack not in deployments:
        pytest.skip("its own tests are not part of this run, so it was not deployed")
    done, slug = destroyed[stack], stack.replace("_", "-")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{stack} is gone; nothing of it is left in the local cloud." in done.stdout
    assert orrery.resources(slug) == 0
    assert local_cloud.leftovers(slug, REGIONS) == []
    assert not (local_cloud.cron.data / "crontabs" / f"{slug}.json").exists(), "its crontab goes with it"
    again = orrery.run("run", stack)
    assert again.returncode == 1 and again.stderr.startswith(f"error: {stack} is not deployed on local")
