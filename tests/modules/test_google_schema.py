"""Modules for Google Cloud use arguments that their provider knows, and leave out none that it needs."""

from __future__ import annotations

import pytest

from infra import modules
from tests.modules.google_schema import mistakes, read_schema, resources

NAMES = [name for name in modules.names() if modules.load(name).provider == "google"]


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_known_and_complete(name: str) -> None:
    schema = read_schema()
    found = [f"{label}: {line}" for kind, label, written in resources(name) for line in mistakes(kind, written, schema)]
    assert found == []


def test_mistakes_are_seen() -> None:
    written = {
        "name": "avatars",
        "uniform_access": True,
        "versioning": [{"enable": True}],
        "dynamic": [{"retention_policy": {"for_each": "${[1]}", "content": [{"period": 1}]}}],
        "depends_on": [],
    }
    assert mistakes("google_storage_bucket", written, read_schema()) == [
        "google_storage_bucket: location is missing",
        "google_storage_bucket: uniform_access is unknown",
        "google_storage_bucket.versioning: enabled is missing",
        "google_storage_bucket.versioning: enable is unknown",
        "google_storage_bucket.retention_policy: retention_period is missing",
        "google_storage_bucket.retention_policy: period is unknown",
    ]


def test_a_resource_that_is_none_is_seen() -> None:
    assert mistakes("google_storage_bukket", {}, read_schema())
