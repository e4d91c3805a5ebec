"""The service ``cron``: runs the crontabs of deployed stacks, where a machine of their own would have a cron daemon."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from infra.local.service import HOST, Endpoint, Place, Program, write_private
from infra.paths import ROOT

SERVER = Path(__file__).with_name("cron_server.py")


class Cron:
    """The process that runs crontabs, and the folder of those that it runs."""

    name = "cron"
    environment = "cron"
    preferred_ports: Mapping[str, int] = {"main": 4610}

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where crontabs are, and what is remembered of their runs."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Make the folders."""
        for folder in ("crontabs", "runs"):
            (self.data / folder).mkdir(parents=True, exist_ok=True)

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the process; changed code makes it a new one."""
        code = SERVER.read_bytes() + (ROOT / "jobs" / "crontab.py").read_bytes()
        return Program(
            command=[str(python), "-P", str(SERVER), str(self.data), str(ports["main"])],
            environment={
                "ORRERY_BUILD": hashlib.sha256(code).hexdigest()[:12],
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
        )

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it says what it runs."""
        return Endpoint(f"http://{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        try:
            status = self.status(ports)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return f"no answer on port {ports['main']}: {error}"
        return "" if status.get("data") == str(self.data) else f"port {ports['main']} is answered by another program"

    def status(self, ports: Mapping[str, int]) -> dict[str, Any]:
        """Return what the process says about each crontab and its entries."""
        connection = http.client.HTTPConnection(HOST, ports["main"], timeout=3)
        try:
            connection.request("GET", "/")
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return document

    def install(self, name: str, file: Path, settings: Mapping[str, str]) -> None:
        """Run a crontab from now on; the settings win over those of the file. Only its owner can read them."""
        (self.data / "crontabs").mkdir(parents=True, exist_ok=True)
        wanted = json.dumps({"file": str(file), "settings": dict(settings)}, indent=1, sort_keys=True)
        write_private(self.data / "crontabs" / f"{name}.json", wanted)

    def remove(self, name: str) -> None:
        """Stop running a crontab; fine when it is not there. The process forgets its runs when it sees that."""
        (self.data / "crontabs" / f"{name}.json").unlink(missing_ok=True)
