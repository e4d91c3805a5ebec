"""What the tests of 02_comet share: the import path of its code, and two empty databases where they are needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
HOME = REPOSITORY / "stacks" / "02_comet"
for source in (REPOSITORY, HOME / "src"):
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))

Parameters = dict[str, str]


@pytest.fixture(scope="session")
def servers(local_postgres: object) -> Iterator[tuple[Parameters, Parameters]]:
    """Return the parameters of two databases that only these tests use: the operational one, and the warehouse."""
    from infra.local import Cloud

    assert isinstance(local_postgres, Cloud)
    found = []
    for name in ("comet_test_oltp", "comet_test_olap"):
        database = local_postgres.provision_database(name)
        found.append(
            {
                "host": database.host,
                "port": str(database.port),
                "dbname": database.database,
                "user": database.user,
                "password": database.password,
            }
        )
    yield found[0], found[1]


@pytest.fixture(scope="session")
def local_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """Return a local cloud of its own, of which only PostgreSQL runs."""
    from infra.local import Cloud

    cloud = Cloud(tmp_path_factory.mktemp("comet") / ".orrery")
    try:
        cloud.up(["postgres"])
        yield cloud
    finally:
        cloud.erase()


@pytest.fixture
def databases(servers: tuple[Parameters, Parameters]) -> tuple[Parameters, Parameters]:
    """Return the same, empty."""
    from jobs.database import connect

    for parameters in servers:
        with connect(**parameters) as connection:
            connection.execute("SET client_min_messages = warning")
            for schema in ("archive", "star", "etl"):
                connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE".encode())
    return servers
