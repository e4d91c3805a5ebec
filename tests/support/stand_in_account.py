"""A drill on the ground of an account, with the local cloud in its place: for the environment of drills.

``python -P tests/support/stand_in_account.py settings.json``, with AWS_ENDPOINT_URL and its keys. The drill is told that
it is in an account. Three things are not the emulator's: it speaks no TLS, its API's name resolves nowhere, and its
Route 53 answers nothing, so here it leads away from a region whose function takes no calls.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.drill import aws, main

DOOR = urlsplit(os.environ["AWS_ENDPOINT_URL"])


class Plain(http.client.HTTPConnection):
    """A connection to the local cloud, whatever host is asked for."""

    def __init__(self, host: str, port: int | None = None, timeout: float = 30) -> None:
        super().__init__(DOOR.hostname or "", DOOR.port, timeout=timeout)


class Route53:
    """Route 53 with answers."""

    def __init__(self, client: Any, functions: Mapping[str, str], clients: aws.Clients) -> None:
        self.client, self.functions, self.clients = client, functions, clients

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def test_dns_answer(self, **request: Any) -> dict[str, Any]:
        """Answer with the host of the region that an address is in, or of one whose function takes calls."""
        records = self.client.list_resource_record_sets(HostedZoneId=request["HostedZoneId"])["ResourceRecordSets"]
        hosts = {each["Region"]: each["ResourceRecords"][0]["Value"] for each in records if each.get("Region")}
        home = next(region for region, address in aws.HOMES.items() if address == request["EDNS0ClientSubnetIP"])
        serving = [region for region in (home, *hosts) if self.takes_calls(region)]
        return {"RecordData": [hosts[serving[0] if serving else home]]}

    def takes_calls(self, region: str) -> bool:
        """Tell whether a region's function takes calls."""
        found = self.clients("lambda", region).get_function_concurrency(FunctionName=self.functions[region])
        return bool(found.get("ReservedConcurrentExecutions", 1))


def run(file: Path) -> int:
    """Run the drill, and print what it found."""
    settings = main.Settings(**json.loads(file.read_text()))
    http.client.HTTPSConnection = Plain  # type: ignore[assignment,misc]
    place = main.ground(settings)
    assert isinstance(place, aws.AwsGround)
    clients, functions = place.clients, place.parts.functions

    def told(service: str, region: str) -> Any:
        client = clients(service, region)
        return Route53(client, functions, clients) if service == "route53" else client

    place.clients, place.ask_s, place.look_s = told, 0.2, 0.25
    found = main.Drill(settings, place).run()
    print(json.dumps({"broken": found.broken}))
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1])))
