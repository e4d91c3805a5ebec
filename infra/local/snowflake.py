"""The service ``snowflake``: Snowflake's HTTP interface by fakesnow, on DuckDB files."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.local.service import HOST, Endpoint, Place, Program

SERVER = Path(__file__).with_name("snowflake_server.py")


class Snowflake:
    """The local Snowflake. It takes any user and password: only this machine reaches it."""

    name = "snowflake"
    environment = "snowflake"
    preferred_ports: Mapping[str, int] = {"main": 8084}

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where its data is."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Make the folder of the databases."""
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the server's process; changed code makes it a new one."""
        return Program(
            command=[str(python), "-P", str(SERVER), str(ports["main"]), str(self.data)],
            environment={
                "ORRERY_BUILD": hashlib.sha256(SERVER.read_bytes()).hexdigest()[:12],
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
        )

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it listens."""
        return Endpoint(f"http://{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        try:
            health = ask(ports["main"], "/_orrery/health")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"no answer on port {ports['main']}: {error}"
        if health.get("data") != str(self.data):
            return f"port {ports['main']} is answered by another program"
        return ""


def ask(port: int, path: str) -> dict[str, object]:
    """Return the JSON object that a server of this machine answers a GET with."""
    connection = http.client.HTTPConnection(HOST, port, timeout=3)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    finally:
        connection.close()
    if response.status != 200:
        raise ValueError(f"status {response.status}")
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("its answer is not an object")
    return document
