"""What the stack has on Google Cloud: only for those who ask for it, and never on the local cloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, stack, targets
from infra.errors import OrreryError

KEYS = "projects/identity-dr/locations/{}/keyRings/r/cryptoKeys/{}"
PROJECT = {
    "project_id": "identity-dr",
    "project_number": "123456789012",
    "access_log_bucket": "identity-dr-logs",
}
REPLICA = {
    **PROJECT,
    "bucket_kms_key": KEYS.format("europe", "avatars"),
    "dataset_kms_key": KEYS.format("europe", "users"),
}
PLATFORM = {
    **PROJECT,
    "domain": "users.example.com",
    "image": f"europe-docker.pkg.dev/identity-dr/identity/api@sha256:{'0f' * 32}",
    "kms_key": KEYS.format("europe", "data"),
    "regions": {region: KEYS.format(region, "secret") for region in ("europe-west1", "europe-west4")},
    "notification_channels": ["projects/identity-dr/notificationChannels/1"],
}
CHOSEN = {"gcp_replica": REPLICA, "gcp_platform": PLATFORM}


def built(target: targets.Target, folder: Path, settings: dict[str, Any]) -> tuple[stack.Stack, dict[str, Any]]:
    info = catalog.resolve("14_blackhole")
    info = replace(info, settings={**info.settings, **settings})
    return stack.create(info, target, folder)


def test_there_is_no_second_cloud_unless_it_is_asked_for(tmp_path: Path) -> None:
    _, configuration = built(targets.offline(), tmp_path, {})
    assert not CHOSEN.keys() & configuration["module"].keys()
    assert list(configuration["provider"]) == ["aws"]


@pytest.mark.parametrize("setting", CHOSEN)
def test_what_is_chosen_comes_alone_with_its_provider_pinned(tmp_path: Path, setting: str) -> None:
    _, configuration = built(targets.offline(), tmp_path, {setting: CHOSEN[setting]})
    assert CHOSEN.keys() & configuration["module"].keys() == {setting}
    assert configuration["module"][setting]["project_id"] == "identity-dr"
    assert configuration["terraform"]["required_providers"]["google"] == {
        "source": "hashicorp/google",
        "version": "6.50.0",
    }


def test_copy_and_platform_can_stand_side_by_side(tmp_path: Path) -> None:
    _, configuration = built(targets.offline(), tmp_path, CHOSEN)
    names = {setting: configuration["module"][setting]["name"] for setting in CHOSEN}
    assert names == {"gcp_replica": "orrery-14-blackhole-replica", "gcp_platform": "orrery-14-blackhole-identity"}


def test_a_platform_without_an_image_is_refused_before_terraform_runs(tmp_path: Path) -> None:
    with pytest.raises(OrreryError, match="image"):
        built(targets.offline(), tmp_path, {"gcp_platform": {k: v for k, v in PLATFORM.items() if k != "image"}})


def test_the_local_cloud_leaves_them_out_and_says_so(tmp_path: Path) -> None:
    local = targets.local({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {})
    made, configuration = built(local, tmp_path, CHOSEN)
    assert not CHOSEN.keys() & configuration["module"].keys() and "google" not in configuration["provider"]
    assert {"gcp_replica (gcp_identity_replica)", "gcp_platform (gcp_identity_platform)"} <= set(made.skipped)
