"""What tests of several kinds share: one local cloud for the session, in the session's own state folder."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator

import pytest

from infra.local import Cloud
from infra.paths import STATE


@pytest.fixture(scope="session")
def local_cloud() -> Iterator[Cloud]:
    """The local cloud of this session; commands and tests start what they need of it."""
    cloud = Cloud(STATE)
    # Ports of its own in each process: other clouds on this machine begin with the usual ones, and would take them
    # while a test has a service down; then what was deployed has moved.
    away = 5_000 * (1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")))
    ports = {
        name: {label: away + usual for label, usual in one.preferred_ports.items()}
        for name, one in cloud.services.items()
    }
    cloud.place.home.mkdir(parents=True, exist_ok=True)
    (cloud.place.home / "state.json").write_text(json.dumps({"ports": ports}))
    yield cloud
    cloud.erase()  # a database server's data may lie outside the session's folder
    assert cloud.supervisor.orphans() == []
