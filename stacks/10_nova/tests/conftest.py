"""What the tests of 10_nova share: a local warehouse of their own, and programs in the stack's environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra import envs
from infra.local import Cloud
from infra.local.cloud import without_proxy
from infra.local.service import is_free
from infra.paths import ROOT

HOME = ROOT / "stacks" / "10_nova"


def entrance(cloud: Cloud, database: str) -> dict[str, str]:
    """Return the environment of a program of the stack, with the way into the local warehouse."""
    snowflake = cloud.endpoint("snowflake")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **without_proxy(),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HOME / "src"), str(HOME / "tests")]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NOVA_DATABASE": database,
        "NOVA_SNOWFLAKE_HOST": snowflake.host,
        "NOVA_SNOWFLAKE_PORT": str(snowflake.port),
        "NOVA_SNOWFLAKE_PROTOCOL": "http",
        "NOVA_SNOWFLAKE_PASSWORD": "any",
    }


def program(
    cloud: Cloud, database: str, *arguments: str, told: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a program of the stack to its end; `told` is its input."""
    command, environment = _program(cloud, database, *arguments, **more)
    return subprocess.run(command, env=environment, input=told, capture_output=True, text=True, timeout=180)


def begun(cloud: Cloud, database: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start a program of the stack, to talk with it."""
    command, environment = _program(cloud, database, *arguments, **more)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, env=environment, text=True, **pipes)


def _program(cloud: Cloud, database: str, *arguments: str, **more: str) -> tuple[list[str], dict[str, str]]:
    return [str(envs.ensure("nova")), "-P", *arguments], {**entrance(cloud, database), **more}


@pytest.fixture(scope="session")
def snowflake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A local warehouse."""
    yield from started(tmp_path_factory.mktemp("nova") / ".orrery", ["snowflake"])


def started(home: Path, services: list[str]) -> Iterator[Cloud]:
    """A local cloud with some services, on ports that nothing else uses."""
    cloud = Cloud(home)
    first = next(base for base in range(31_000, 39_000, 10) if all(map(is_free, range(base, base + len(services)))))
    ports = {name: {"main": first + number} for number, name in enumerate(services)}
    cloud.place.home.mkdir(parents=True)
    (cloud.place.home / "state.json").write_text(json.dumps({"ports": ports}))
    try:
        cloud.up(services)
        yield cloud
    finally:
        cloud.erase()
