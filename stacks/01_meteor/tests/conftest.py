"""What the tests of 01_meteor share: the import path of its code, and a database where one is needed."""

from __future__ import annotations

import importlib.util
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no reason to fail: what counts is what comes out, not how soon.
settings.register_profile("orrery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("orrery")

REPOSITORY = Path(__file__).resolve().parents[3]
SOURCES = (REPOSITORY, REPOSITORY / "stacks" / "01_meteor" / "src")
for source in SOURCES:
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))


@pytest.fixture(scope="session")
def handler_module() -> ModuleType:
    """Return the function's handler.py under a name of its own: every function has a module of that name."""
    path = REPOSITORY / "lambdas" / "meteor_loader" / "handler.py"
    spec = importlib.util.spec_from_file_location("meteor_loader_handler", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put moto in the place of AWS, in this process."""
    from moto import mock_aws

    for name in ("AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return the parameters of a PostgreSQL database that only these tests use.

    ``ORRERY_TEST_DSN`` names a server whose role may create databases; without it the local cloud starts one.
    """
    from psycopg import conninfo

    from jobs.database import connect

    if dsn := os.environ.get("ORRERY_TEST_DSN"):
        name = f"meteor_test_{uuid.uuid4().hex[:8]}"
        with connect(dsn) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield {key: str(value) for key, value in conninfo.conninfo_to_dict(dsn, dbname=name).items()}
        finally:
            with connect(dsn) as admin:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        return

    from infra.local import Cloud

    cloud = Cloud(tmp_path_factory.mktemp("meteor") / ".orrery")
    try:
        cloud.up(["postgres"])
        database = cloud.provision_database("meteor_test")
        yield {
            "host": database.host,
            "port": str(database.port),
            "dbname": database.database,
            "user": database.user,
            "password": database.password,
        }
    finally:
        cloud.erase()


@pytest.fixture
def database(server: dict[str, str]) -> dict[str, str]:
    """Return the parameters of a database without our schema."""
    from jobs.database import connect

    with connect(**server) as connection:
        connection.execute("SET client_min_messages = warning")
        connection.execute("DROP SCHEMA IF EXISTS meteor CASCADE")
    return server
