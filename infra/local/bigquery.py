"""The service ``bigquery``: BigQuery's REST and Storage interfaces by bqemulator, on a DuckDB file."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.local.service import HOST, Endpoint, Place, Program
from infra.local.snowflake import ask

SERVER = Path(__file__).with_name("bigquery_server.py")


class BigQuery:
    """The local BigQuery. It takes any token: only this machine reaches it."""

    name = "bigquery"
    environment = "bigquery"
    preferred_ports: Mapping[str, int] = {"main": 9050, "grpc": 9060}

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where its data is."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Make the folder of its file."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the server's process; changed code makes it a new one."""
        return Program(
            command=[str(python), "-P", str(SERVER), str(ports["main"]), str(ports["grpc"]), str(self.data)],
            environment={
                "HOME": str(self.data),
                "ORRERY_BUILD": hashlib.sha256(SERVER.read_bytes()).hexdigest()[:12],
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
        )

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where its REST interface listens."""
        return Endpoint(f"http://{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        try:
            ready = ask(ports["main"], "/readyz")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"no answer on port {ports['main']}: {error}"
        return "" if ready.get("status") == "ok" else f"it says that it is {ready.get('status')}"
