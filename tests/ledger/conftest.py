"""What the probes of the ledger share: the session's local AWS, and a name of its own for each."""

from __future__ import annotations

import hashlib

import pytest

from infra.local import Cloud
from tests.support.local_aws import LocalAws


@pytest.fixture(scope="session")
def aws(local_cloud: Cloud) -> LocalAws:
    """The local AWS of this session."""
    local_cloud.up(["aws"])
    return LocalAws(local_cloud)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for whatever this probe makes, which no other has."""
    return f"probe-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:10]}"
