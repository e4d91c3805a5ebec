"""The service ``aws``: MiniStack and moto behind one port, one more per region (``aws_gateway.py``)."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.errors import OrreryError
from infra.local.service import ACCOUNT, CANNOT_SAVE, HOST, REGIONS, Endpoint, Place, Program, write_private

GATEWAY = Path(__file__).with_name("aws_gateway.py")


class Aws:
    """The local AWS."""

    name = "aws"
    environment = "local"
    preferred_ports: Mapping[str, int] = {
        "main": 4566,
        **{region: 4567 + number for number, region in enumerate(REGIONS)},
    }

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where its data is."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Write the gateway's settings, and start the LocalStack container where it was asked for."""
        self.data.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {
            "account": ACCOUNT,
            "data": str(self.data),
            "localstack": None,
            "port": ports["main"],
            "regions": {region: ports[region] for region in REGIONS},
        }
        if wants_localstack():
            from infra.local import localstack

            settings["localstack"] = localstack.start(say)
        write_private(self.data / "settings.json", json.dumps(settings, indent=1))

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the gateway's process; changed code, ports or another first emulator make it a new one."""
        told = json.dumps(dict(ports), sort_keys=True).encode()
        files = [*sorted(GATEWAY.parent.glob("aws_*.py")), GATEWAY.with_name("faults.py")]
        code = b"".join(path.read_bytes() for path in files)
        build = hashlib.sha256(code + told).hexdigest()[:12]
        return Program(
            command=[str(python), "-P", str(GATEWAY), str(self.data / "settings.json")],
            environment={
                "ORRERY_BUILD": f"{build}-{'localstack' if wants_localstack() else 'ministack'}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
        )

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it listens."""
        urls = {region: f"http://{HOST}:{ports[region]}" for region in REGIONS}
        return Endpoint(f"http://{HOST}:{ports['main']}", HOST, ports["main"], urls)

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        try:
            health = self.ask(ports["main"], "GET", "/_orrery/health", timeout=3)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"no answer on port {ports['main']}: {error}"
        if health.get("data") != str(self.data):
            return f"port {ports['main']} is answered by another program"
        failure = health["saver"]["failure"]
        return f"{CANNOT_SAVE}: {failure}" if failure else ""

    def ask(self, port: int, method: str, path: str, timeout: float = 10) -> dict[str, Any]:
        """Call one of the gateway's own addresses."""
        connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            document: dict[str, Any] = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise ValueError(document.get("error", f"status {response.status}"))
        return document


def wants_localstack() -> bool:
    """Tell whether LocalStack was asked for; refuse a value that means nothing."""
    value = os.environ.get("LOCAL_AWS", "").lower()
    if value not in ("", "ministack", "localstack"):
        raise OrreryError(f"LOCAL_AWS={value} is not known", next_step="unset it, or set it to ministack or localstack")
    return value == "localstack"
