"""The third copy on Google Cloud: only for those who ask for it, and never on the local cloud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from infra import catalog, stack, targets

CHOSEN = {
    "project_id": "identity-dr",
    "project_number": "123456789012",
    "access_log_bucket": "identity-dr-logs",
    "bucket_kms_key": "projects/identity-dr/locations/europe/keyRings/r/cryptoKeys/avatars",
    "dataset_kms_key": "projects/identity-dr/locations/europe/keyRings/r/cryptoKeys/users",
}


def built(target: targets.Target, folder: Path, settings: dict[str, Any]) -> tuple[stack.Stack, dict[str, Any]]:
    info = replace(catalog.resolve("14_blackhole"), settings=settings)
    return stack.create(info, target, folder)


def test_there_is_no_second_cloud_unless_it_is_asked_for(tmp_path: Path) -> None:
    _, configuration = built(targets.offline(), tmp_path, {})
    assert "gcp_replica" not in configuration["module"]
    assert list(configuration["provider"]) == ["aws"]


def test_the_copy_comes_with_its_provider_pinned(tmp_path: Path) -> None:
    _, configuration = built(targets.offline(), tmp_path, {"gcp_replica": CHOSEN})
    assert configuration["module"]["gcp_replica"]["project_id"] == "identity-dr"
    assert configuration["terraform"]["required_providers"]["google"] == {
        "source": "hashicorp/google",
        "version": "6.50.0",
    }


def test_the_local_cloud_leaves_it_out_and_says_so(tmp_path: Path) -> None:
    local = targets.local({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, {})
    made, configuration = built(local, tmp_path, {"gcp_replica": CHOSEN})
    assert "gcp_replica" not in configuration["module"] and "google" not in configuration["provider"]
    assert "gcp_replica (gcp_identity_replica)" in made.skipped
