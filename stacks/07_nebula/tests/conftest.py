"""What the tests of 07_nebula share: the import path, the pipeline as a user starts it, deliveries from a seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
HOME = REPOSITORY / "stacks" / "07_nebula"
for source in (REPOSITORY, HOME / "src", HOME / "tests"):
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))

from nebula import generate  # noqa: E402

from infra import envs  # noqa: E402 (the path comes first)


@dataclass(frozen=True)
class Pipeline:
    """The pipeline's command line on one warehouse."""

    folder: Path
    target: str = "duckdb"
    where: Mapping[str, str] = field(default_factory=dict)

    def start(self, *arguments: object, **environment: str) -> dict[str, Any]:
        """Return how it is started, for `subprocess`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [str(envs.ensure("nebula")), "-P", "-u", "-m", "nebula.pipeline", "--target", self.target]
        return {
            "args": [*command, "--work", str(self.folder / "work"), *map(str, arguments)],
            "env": {
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(HOME / "src")]),
                "NEBULA_DUCKDB_PATH": str(self.folder / "n.duckdb"),
                **self.where,
                **environment,
            },
        }

    def run(self, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, whatever that is."""
        return subprocess.run(**self.start(*arguments, **environment), capture_output=True, text=True, timeout=240)

    def ok(self, *arguments: object) -> dict[str, Any]:
        """Run it; return its summary."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr[-4000:]
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def marts(self, *arguments: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Run it; return its summary and the marts."""
        path = self.folder / "marts.json"
        summary = self.ok(*arguments, "--export", path)
        return summary, json.loads(path.read_text())


@pytest.fixture(scope="session")
def deliveries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of deliveries: six days of a small shop, 3 % of its lines spoiled."""
    folder = tmp_path_factory.mktemp("retail")
    generate.Shop(folder, lines=600, days=6, seed=3, dirty=0.03).write()
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """The variables of a PostgreSQL that only these tests use."""
    from infra.local import Cloud

    cloud = Cloud(tmp_path_factory.mktemp("nebula") / ".orrery")
    try:
        cloud.up(["postgres"])
        made = cloud.provision_database("nebula_test")
        yield {
            "NEBULA_HOST": made.host,
            "NEBULA_PORT": str(made.port),
            "NEBULA_DATABASE": made.database,
            "NEBULA_USER": made.user,
            "NEBULA_PASSWORD": made.password,
            "NEBULA_SSLMODE": "disable",
        }
    finally:
        cloud.erase()
