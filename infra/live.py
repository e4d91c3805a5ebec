"""A deployed stack, as smoke checks and runs see it: its outputs, AWS clients for its regions, and patience."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from infra.errors import OrreryError
from infra.output import Ui
from infra.targets import Target

T = TypeVar("T")


@dataclass(frozen=True)
class Check:
    """The result of one smoke check: what was tried, whether it worked, what was seen."""

    name: str
    ok: bool
    seen: str = ""


@dataclass(frozen=True)
class Response:
    """The answer of an HTTP API: status code, headers in lower case, body as text."""

    status: int
    headers: Mapping[str, str]
    body: str


class Live:
    """What a stack can do with its own deployment.

    Parameters
    ----------
    target : Target
        Where it is deployed.
    outputs : mapping
        The stack's outputs by name.
    ui : Ui
        Where to print.
    """

    def __init__(self, target: Target, outputs: Mapping[str, Any], ui: Ui) -> None:
        self.target, self.outputs, self.ui = target, outputs, ui

    def client(self, service: str, region: str, patience_s: float = 120) -> Any:
        """Return a boto3 client for a service in a region, pointed at the target.

        Parameters
        ----------
        service, region : str
            Whose.
        patience_s : float
            How long to wait for an answer, three times.
        """
        import boto3  # lazy: starting it takes longer than most commands
        from botocore.config import Config

        config = Config(retries={"max_attempts": 2}, connect_timeout=min(5, patience_s), read_timeout=patience_s)
        if self.target.local:
            config = config.merge(Config(s3={"addressing_style": "path"}))
        return boto3.client(service, config=config, **self.target.client_settings(region))

    def http(
        self,
        method: str,
        url: str,
        region: str,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        patience_s: float = 30,
    ) -> Response:
        """Send one request to an HTTP API of the stack, signed with the target's credentials.

        On the local cloud the request goes to the region's own port and names the API in its Host header, because
        the API's public name resolves nowhere.
        """
        import http.client
        from urllib.parse import urlsplit

        public = urlsplit(url)
        there = urlsplit(self.target.region_urls[region]) if self.target.local else public
        kind = http.client.HTTPConnection if self.target.local else http.client.HTTPSConnection
        connection = kind(there.hostname or "", there.port, timeout=patience_s)
        path = (public.path or "/") + (f"?{public.query}" if public.query else "")
        try:
            connection.request(method, path, body, self._signed(method, url, region, body, headers or {}))
            answer = connection.getresponse()
            received = {key.lower(): value for key, value in answer.getheaders()}
            return Response(answer.status, received, answer.read().decode())
        finally:
            connection.close()

    def _signed(
        self, method: str, url: str, region: str, body: str | None, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers of a request with its SigV4 signature: the APIs take no anonymous callers."""
        from urllib.parse import urlsplit

        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        host = urlsplit(url).netloc
        send = {"Host": host, "Content-Type": "application/json", **headers}
        request = AWSRequest(method=method, url=url, data=body or "", headers=send)
        settings = self.target.client_settings(region)
        own = {key: value for key, value in settings.items() if key.startswith("aws_")}
        credentials = boto3.Session(**own).get_credentials()
        SigV4Auth(credentials, "execute-api", region).add_auth(request)
        return dict(request.headers.items())

    def wait(self, what: str, condition: Callable[[], T | None], timeout_s: float = 60.0) -> T:
        """Wait until a condition gives a value, and return it.

        Parameters
        ----------
        what : str
            What is waited for, as the error would name it.
        condition : callable
            Returns None (or False) as long as it isn't so.
        timeout_s : float
            How long to wait, in seconds.

        Raises
        ------
        OrreryError
            It did not become so in time.
        """
        deadline, pause = time.monotonic() + timeout_s, 0.05
        with self.ui.step(f"waiting for {what}"):
            while True:
                value = condition()
                if value is not None and value is not False:
                    return value
                if time.monotonic() > deadline:
                    raise OrreryError(
                        f"waited {timeout_s:.0f} s in vain for {what}",
                        next_step="make status shows the services, make logs SERVICE=aws what they said",
                    )
                time.sleep(pause)
                pause = min(pause * 1.5, 1.0)
