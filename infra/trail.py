"""Who wrote last: asked of CloudTrail, which keeps the management events of ninety days."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from infra.output import Ui
from infra.targets import Target

PAGES = 3
"""Pages of fifty events to look through per name; reads of a busy resource may hide an older write."""

_NAMES = ("bucket", "function_name", "role", "name", "id", "arn")
_GLOBAL = ("aws_cloudfront_", "aws_iam_", "aws_route53_")


@dataclass(frozen=True)
class Write:
    """The last write that AWS has recorded about a resource; not necessarily the one that made the drift."""

    user: str
    event: str
    time: str


class Trail:
    """CloudTrail of an account, in the regions of a stack.

    Parameters
    ----------
    target : Target
        The account.
    regions : sequence of str
        Where to look for a resource that doesn't say where it is.
    ui : Ui
        Hears once why nothing can be found out.
    """

    def __init__(self, target: Target, regions: Sequence[str], ui: Ui) -> None:
        self._target, self._regions, self._ui = target, regions, ui
        self._clients: dict[str, Any] = {}
        self._refused = False

    def last_write(self, kind: str, values: Mapping[str, Any]) -> Write | None:
        """Return the newest write that CloudTrail has for a resource; None where it has none, or may not be asked."""
        from botocore.exceptions import BotoCoreError, ClientError  # lazy: only TARGET=aws asks

        regions = [where] if (where := _region(kind, values)) else self._regions
        try:
            for name in () if self._refused else names(values):
                found = [event for region in regions for event in self._writes(region, name)]
                if found:
                    return _write(max(found, key=lambda event: event["EventTime"]))
        except (BotoCoreError, ClientError) as error:
            self._refused = True
            self._ui.note(f"CloudTrail doesn't say who it was: {error}")
        return None

    def _writes(self, region: str, name: str) -> list[dict[str, Any]]:
        """Return the newest event that isn't a read, or nothing."""
        wanted = [{"AttributeKey": "ResourceName", "AttributeValue": name}]
        pages = (
            self._client(region)
            .get_paginator("lookup_events")
            .paginate(LookupAttributes=wanted, PaginationConfig={"MaxItems": PAGES * 50, "PageSize": 50})
        )
        for page in pages:
            for event in page["Events"]:  # newest first
                if event.get("ReadOnly") != "true":
                    return [event]
        return []

    def _client(self, region: str) -> Any:
        if region not in self._clients:
            import boto3
            from botocore.config import Config

            # Two look-ups a second are allowed: the client slows down by itself.
            patient = Config(retries={"mode": "adaptive", "max_attempts": 10})
            self._clients[region] = boto3.client("cloudtrail", config=patient, **self._target.client_settings(region))
        return self._clients[region]


def names(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names under which AWS may know a resource, the likeliest first."""
    yield from dict.fromkeys(str(values[key]) for key in _NAMES if values.get(key))


def _region(kind: str, values: Mapping[str, Any]) -> str:
    if kind.startswith(_GLOBAL):
        return "us-east-1"
    parts = str(values.get("arn") or "").split(":")
    return parts[3] if len(parts) > 5 else ""


def _write(event: Mapping[str, Any]) -> Write:
    identity = json.loads(event.get("CloudTrailEvent") or "{}").get("userIdentity", {})
    user = event.get("Username") or identity.get("arn") or identity.get("invokedBy") or "unknown"
    time = event["EventTime"].astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Write(user, event["EventName"], time)
