"""What tests of several kinds share: one local cloud for the session, in the session's own state folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.local import Cloud
from infra.paths import STATE


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[Cloud]:
    """The local cloud of this session; commands and tests start what they need of it."""
    cloud = Cloud(STATE)
    yield cloud
    cloud.down()
    assert cloud.supervisor.orphans() == []
