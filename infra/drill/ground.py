"""Where a drill takes place: how clients reach the deployed stack, who answers the public name, what breaks a region.

A drill asks a `Ground` for all of that, so it is the same drill everywhere. `LocalGround` is the local cloud;
`infra.drill.aws` has the one of a real account.
"""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from infra.drill.resolver import Record, Resolver, deployed
from infra.errors import OrreryError
from infra.live import Live
from infra.targets import Target

if TYPE_CHECKING:
    from infra.local.faults import Fault


class Context:
    """What a workload knows of the deployed stack, and how it reaches it.

    Parameters
    ----------
    target : Target
        Where the stack is deployed.
    outputs : mapping
        Its outputs.
    regions : sequence of str
        Its regions.
    """

    def __init__(self, target: Target, outputs: Mapping[str, Any], regions: Sequence[str]) -> None:
        import boto3

        self.target, self.outputs, self.regions = target, outputs, regions
        settings = target.client_settings(regions[0])
        own = {key: value for key, value in settings.items() if key.startswith("aws_")}
        self._credentials = boto3.Session(**own).get_credentials()
        if self._credentials is None:
            raise OrreryError("there are no credentials", next_step="log in (aws sso login, or AWS_PROFILE=…)")

    def client(self, service: str, region: str, *, operator: bool = False, config: Any = None) -> Any:
        """Return a boto3 client for a service in a region.

        Parameters
        ----------
        service, region : str
            Whose.
        operator : bool
            Through the operator's door, which no fault closes; else as clients reach the region.
        config : botocore.config.Config, optional
            How patient it is.
        """
        import boto3

        settings = self.target.client_settings(region)
        if operator and self.target.local:
            settings["endpoint_url"] = self.target.environment["AWS_ENDPOINT_URL"]
        return boto3.client(service, config=config, **settings)

    def http(
        self, method: str, url: str, region: str, body: str | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[int, str]:
        """Send a signed request to an HTTP API of the stack, as a client does; return status and body.

        On the local cloud it goes to the region's own port and names the API in its Host header, because the API's
        public name resolves nowhere. Credentials that expire are renewed.
        """
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        public = urlsplit(url)
        there = urlsplit(self.target.region_urls[region]) if self.target.local else public
        send = {"Host": public.netloc, "Content-Type": "application/json", **headers}
        request = AWSRequest(method=method, url=url, data=body or "", headers=send)
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", region).add_auth(request)
        kind = http.client.HTTPConnection if self.target.local else http.client.HTTPSConnection
        connection = kind(there.hostname or "", there.port, timeout=timeout_s)
        try:
            connection.request(method, public.path or "/", body, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def live(self) -> Live:
        """Return the deployed stack as an operator's runbook sees it."""
        from infra.output import Ui

        return Live(self.target, self.outputs, Ui())


class Breaking(Protocol):
    """Faults that are held for as long as a drill runs."""

    def set(self, wanted: Sequence[Fault]) -> None:
        """Replace the faults, all at once; none is fine."""


class Ground(Protocol):
    """Where a drill takes place."""

    context: Context
    where: str
    """In words, for the report."""
    settle_s: float
    """How long the regions may take to hold the same, after the fault."""
    look_s: float
    """How long to wait between two looks at what they hold."""
    fire_s: float
    """How long alarms may take to fire, counted from when the regions hold the same."""
    clear_s: float
    """How long they may take to clear."""
    lasting: Sequence[str]
    """Namespaces whose alarms stay as they are until a new value comes; see `infra.drill.alarms.Alarms`."""
    trial_most: float
    """At most so many times the wanted rate is tried, to learn how much a path carries; 0 is as many as it takes."""

    def resolver(
        self,
        zone: str,
        name: str,
        healthy: Callable[[str, float], bool],
        note: Callable[[str, str], None],
        report: Callable[[Record, bool], None],
    ) -> Resolver:
        """Return who answers the public name; the parameters are those of `Resolver`, and where the name is kept."""

    def held(self, name: str) -> AbstractContextManager[Breaking]:
        """Hold faults for as long as a block runs: they go with it, however it ends."""

    def fault(self, description: str) -> str:
        """Return what an experiment's description of its fault comes to here."""

    def facts(self) -> list[str]:
        """Return what a reader of the report has to know of this place, a line each."""


class LocalGround:
    """The local cloud: its ports break, writes travel by published figures, the drill itself checks health.

    Parameters
    ----------
    context : Context
        The deployed stack.
    seed : int
        Decides how long each write travels.
    hurry : float
        Divides all times.
    """

    where = "on the local cloud"
    settle_s = 60.0
    look_s = 0.25
    fire_s = 0.0
    clear_s = 100.0
    """A minute without a bad value, and the checks that say that all is well."""
    lasting: Sequence[str] = ("AWS/Lambda",)
    """An alarm of the emulator looks when its metric is written, and Lambda's errors and throttles only are when one
    happens (docs/ledger.md)."""
    trial_most = 0.0

    def __init__(self, context: Context, seed: int, hurry: float) -> None:
        self.context, self.seed, self.hurry = context, seed, hurry

    def resolver(
        self,
        zone: str,
        name: str,
        healthy: Callable[[str, float], bool],
        note: Callable[[str, str], None],
        report: Callable[[Record, bool], None],
    ) -> Resolver:
        """Return a resolver that checks health itself: the emulator's Route 53 looks at nothing."""
        records = deployed(self.context.client("route53", self.context.regions[0], operator=True), zone, name)
        return Resolver(records, healthy, note, self.hurry, report)

    @contextmanager
    def held(self, name: str) -> Iterator[Breaking]:
        """Hold faults in front of the regions' ports, and the paces of writes that travel."""
        from infra.local.fault_client import FaultClient
        from infra.local.replication_client import ReplicationClient

        door = self.context.target.environment["AWS_ENDPOINT_URL"]
        with ReplicationClient(door).held(self._paces()), FaultClient(door).held([], name) as held:
            yield held

    def fault(self, description: str) -> str:
        """Return the description: it is what happened."""
        return description

    def facts(self) -> list[str]:
        """Return whose latency it is."""
        return ["Writes travel as long as AWS says of itself (docs/replication.md); latency is the local cloud's."]

    def _paces(self) -> dict[str, Any]:
        """Return how long writes travel: what AWS says of itself, with the drill's seed and in its hurry."""
        from infra.local.replication import PACES

        return {
            service: replace(
                pace, median_ms=pace.median_ms / self.hurry, p95_ms=pace.p95_ms / self.hurry, seed=self.seed
            )
            for service, pace in PACES["public"].items()
        }
