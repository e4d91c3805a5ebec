"""The failover runbook of 14_blackhole: what to do when a region is lost, and how it comes back.

Failing over is a write of data, not a change of infrastructure. The *fence* is an item of the users' table; the
function of a fenced region refuses writes and fails its health check, so the public name leads away from it. No step
needs Route 53's control plane, Terraform or the lost region. That a failover must not depend on a control plane is
from Amazon's whitepaper "AWS Fault Isolation Boundaries" (static stability).

The fence is written twice, by different regions into their own items: in the survivor, from where it travels to the
lost region with the data; and in the lost region itself as soon as it answers, because it may be back before its link.
"""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from infra.errors import OrreryError
from infra.live import Live
from infra.runbook import Step

PATIENCE_S = 5.0
"""How long the runbook waits for one answer of a region that may be gone."""
NOTICED_S = 30.0
"""How long a region may take to notice its fence: it looks once a second; the rest is for a slow answer."""
ARRIVAL_S = 900.0
"""How long what one region wrote may travel to the other: S3's time control promises 15 minutes."""

GONE = (OSError, http.client.HTTPException, BotoCoreError, ClientError)
"""What asking a region raises that is gone, or not well."""


def failover(live: Live, regions: Sequence[str], lost: str) -> list[Step]:
    """Return the steps that lead clients away from a region, and keep it from writing when it comes back.

    Parameters
    ----------
    live : Live
        The deployed stack.
    regions : sequence of str
        Its regions.
    lost : str
        The one that is given up.
    """
    there = Regions(live, lost, next(each for each in regions if each != lost))
    return [
        Step(f"{there.left} serves", lambda: there.must_serve(there.left)),
        Step(f"what {lost} says", lambda: there.ready(lost)[1]),
        Step(
            f"write the fence of {lost} in {there.left}",
            lambda: there.fenced_in(there.left),
            lambda: there.fence(there.left, closed=True),
        ),
        Step(
            f"write it in {lost} too, where it answers",
            lambda: there.fenced_in(lost),
            lambda: there.fence_if_it_answers(),
        ),
        Step(f"see that {lost} takes no writes", lambda: there.ready(lost)[1], there.must_refuse),
        Step(f"write a user in {there.left} and read it", lambda: "", lambda: there.use(there.left, there.left)),
    ]


def failback(live: Live, regions: Sequence[str], lost: str) -> list[Step]:
    """Return the steps that let a region serve again: not before both regions hold the same.

    Parameters
    ----------
    live : Live
        The deployed stack.
    regions : sequence of str
        Its regions.
    lost : str
        The one that comes back.
    """
    there = Regions(live, lost, next(each for each in regions if each != lost))
    return [
        Step(f"{there.left} serves", lambda: there.must_serve(there.left)),
        Step(f"{lost} answers, and is fenced", there.must_be_fenced),
        Step(
            f"wait until what {there.left} writes arrives in {lost}", there.link, lambda: there.mark(there.left, lost)
        ),
        Step(f"wait until what {lost} wrote arrives in {there.left}", there.link, lambda: there.mark(lost, there.left)),
        Step("compare the users of both regions until they are the same", there.size, there.agree_on_users),
        Step("compare the avatars of both regions until they are the same", lambda: "", there.agree_on_avatars),
        Step(f"lift the fence of {lost}", lambda: there.fenced_in(there.left), there.lift),
        Step(f"see that {lost} serves", lambda: there.ready(lost)[1], lambda: there.serves_again(lost)),
        Step(f"write a user in {lost} and read it in {there.left}", lambda: "", lambda: there.use(lost, there.left)),
    ]


@dataclass(frozen=True)
class Regions:
    """The two regions, and what a runbook does with them.

    Parameters
    ----------
    live : Live
        The deployed stack.
    lost, left : str
        The region that is given up or comes back, and the one that serves.
    """

    live: Live
    lost: str
    left: str

    @property
    def table(self) -> str:
        """The users' table."""
        return str(self.live.outputs["users_table"])

    def ready(self, region: str) -> tuple[int, str]:
        """Ask a region's health check; 0 says that it does not answer."""
        try:
            answer = self.live.http("GET", self._url(region, "/ready"), region, patience_s=PATIENCE_S)
        except GONE as error:
            return 0, f"no answer ({type(error).__name__})"
        return answer.status, f"{answer.status} {answer.body[:100]}"

    def must_serve(self, region: str) -> str:
        """Raise unless a region's health check is good."""
        status, seen = self.ready(region)
        if status != 200:
            raise OrreryError(
                f"{region} does not serve: {seen}",
                next_step=f"nothing was changed; mend {region} first: nobody else is left",
            )
        return seen

    def fenced_in(self, region: str) -> str:
        """Say what a region knows of the fence."""
        try:
            closed = [each for each in self._fences(region) if each.get("closed", {}).get("BOOL")]
        except GONE as error:
            return f"{region} can't be asked: {type(error).__name__}"
        return f"in {region}: fenced since {closed[0]['updated_at']['S']}" if closed else f"in {region}: not fenced"

    def fence(self, region: str, *, closed: bool) -> str:
        """Write the fence in a region, as that region's own item, and read it back."""
        table, stamp = self._dynamodb(region), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        key = {"user_id": {"S": f"fence-{self.lost}"}, "region": {"S": region}}
        before = table.get_item(TableName=self.table, Key=key, ConsistentRead=True).get("Item", {})
        if before.get("closed", {}).get("BOOL", False) == closed:
            since = before.get("updated_at", {}).get("S", "ever")
            return f"it was {'closed' if closed else 'open'} already, since {since}"
        version = int(before.get("version", {"N": "0"})["N"]) + 1
        item = {**key, "version": {"N": str(version)}, "closed": {"BOOL": closed}, "updated_at": {"S": stamp}}
        table.put_item(TableName=self.table, Item=item)
        read = table.get_item(TableName=self.table, Key=key, ConsistentRead=True)["Item"]
        if read != item:
            raise OrreryError(
                f"somebody else writes the fence of {self.lost} in {region}",
                next_step="agree on one operator, then run it again",
            )
        return f"{'closed' if closed else 'opened'} at {stamp}"

    def fence_if_it_answers(self) -> str:
        """Write the fence in the lost region too: it may be reachable for us, and not for the other region."""
        try:
            return self.fence(self.lost, closed=True)
        except GONE as error:
            return (
                f"it does not answer ({type(error).__name__}); the fence reaches it with the data. "
                "Run this again when it answers: it may be back before its link is"
            )

    def must_refuse(self) -> str:
        """Wait until the lost region says that it is fenced; one that does not answer takes no writes either."""
        deadline = time.monotonic() + NOTICED_S
        while True:
            status, seen = self.ready(self.lost)
            if status == 0:
                return f"{seen}; not seen refusing"
            if status != 200:
                return seen
            if time.monotonic() > deadline:
                raise OrreryError(
                    f"{self.lost} still serves {NOTICED_S:.0f} s after its fence was written: {seen}",
                    next_step="run it again; the fence stays",
                )
            _pause()

    def must_be_fenced(self) -> str:
        """Raise unless the region that comes back answers, and knows its fence."""
        status, seen = self.ready(self.lost)
        if status == 0:
            raise OrreryError(f"{self.lost} does not answer yet", next_step="nothing was changed; run it again later")
        if status == 200:
            raise OrreryError(
                f"{self.lost} serves already: {seen}",
                next_step=f"where it came back unfenced: ./orrery failover … {self.lost}, then --back",
            )
        if "fenced" not in seen:
            raise OrreryError(f"{self.lost} is not well: {seen}", next_step="nothing was changed; mend it first")
        return seen

    def link(self) -> str:
        """Say what waits for what; see `mark`."""
        return "a marker each way"

    def mark(self, here: str, there: str) -> str:
        """Write a marker in one region and wait for it in the other: the link between them works."""
        began, key = time.monotonic(), {"user_id": {"S": f"canary-link-{secrets.token_hex(4)}"}, "region": {"S": here}}
        source, target = self._dynamodb(here), self._dynamodb(there)
        source.put_item(TableName=self.table, Item={**key, "version": {"N": "0"}})
        try:
            self._until(
                f"a marker of {here} to arrive in {there}",
                lambda: "Item" in target.get_item(TableName=self.table, Key=key, ConsistentRead=True),
            )
        finally:
            source.delete_item(TableName=self.table, Key=key)
        return f"arrived after {time.monotonic() - began:.1f} s"

    def size(self) -> str:
        """Say how much a comparison reads."""
        found = self._dynamodb(self.left).describe_table(TableName=self.table)["Table"]
        return f"reads about {found.get('ItemCount', 0):,} items in each region"

    def agree_on_users(self) -> str:
        """Compare keys and versions of all items; what differs is asked for again until it doesn't."""
        left, lost = self._dynamodb(self.left), self._dynamodb(self.lost)
        return self._agree(
            "items", dict(self._items(left)), dict(self._items(lost)), self._item_in(left), self._item_in(lost)
        )

    def agree_on_avatars(self) -> str:
        """Compare keys and contents of all objects."""
        sides = []
        for region in (self.left, self.lost):
            client = self.live.client("s3", region, PATIENCE_S)
            bucket = str(self.live.outputs[f"avatars_{region.replace('-', '_')}"])
            sides.append((client, bucket))
        held = [dict(_objects(*each)) for each in sides]
        again = [_object_in(*each) for each in sides]
        return self._agree("objects", held[0], held[1], again[0], again[1])

    def lift(self) -> str:
        """Open the fence in both regions; the lost one first, or it would go on seeing its own."""
        self.fence(self.lost, closed=False)
        return self.fence(self.left, closed=False)

    def serves_again(self, region: str) -> str:
        """Wait until a region's health check is good."""
        self._until(f"{region} to serve", lambda: self.ready(region)[0] == 200, NOTICED_S)
        return self.ready(region)[1]

    def use(self, here: str, there: str) -> str:
        """Write a user in one region and read it in the other, as a client; leave nothing."""
        user, began = f"runbook-{secrets.token_hex(4)}", time.monotonic()
        body = json.dumps({"name": "Runbook", "email": f"{user}@example.com"})
        written = self.live.http("PUT", self._url(here, f"/users/{user}"), here, body, patience_s=PATIENCE_S)
        if written.status not in (200, 201):
            raise OrreryError(
                f"{here} takes no writes: {written.status} {written.body[:100]}", next_step="run it again; see its logs"
            )
        path = self._url(there, f"/users/{user}")
        self._until(
            f"{user} to be read in {there}",
            lambda: self.live.http("GET", path, there, patience_s=PATIENCE_S).status == 200,
        )
        self.live.http("DELETE", self._url(here, f"/users/{user}"), here, patience_s=PATIENCE_S)
        return f"read after {time.monotonic() - began:.1f} s"

    # -- parts -------------------------------------------------------------------------------------------------

    def _url(self, region: str, path: str) -> str:
        address = self.live.outputs.get(f"api_{region.replace('-', '_')}")
        if not address:
            raise OrreryError(
                f"{region} has no API: nobody could be served there",
                next_step="let it serve first (SET=promoted=true, or another tier); see the stack's README",
            )
        return str(address) + path

    def _dynamodb(self, region: str) -> Any:
        return self.live.client("dynamodb", region, PATIENCE_S)

    def _fences(self, region: str) -> list[dict[str, Any]]:
        found = self._dynamodb(region).query(
            TableName=self.table,
            KeyConditionExpression="user_id = :fence",
            ExpressionAttributeValues={":fence": {"S": f"fence-{self.lost}"}},
            ConsistentRead=True,
        )
        return list(found["Items"])

    def _items(self, client: Any) -> Iterator[tuple[tuple[str, str], str]]:
        """Yield key and version of each item, but of canaries and fences, which are not users."""
        pages = client.get_paginator("scan").paginate(
            TableName=self.table,
            ConsistentRead=True,
            ProjectionExpression="user_id, #region, version",
            ExpressionAttributeNames={"#region": "region"},
        )
        for page in pages:
            for item in page["Items"]:
                if not item["user_id"]["S"].startswith(("canary-", "fence-", "runbook-")):
                    yield (item["user_id"]["S"], item["region"]["S"]), item["version"]["N"]

    def _item_in(self, client: Any) -> Callable[[Any], str | None]:
        def read(key: tuple[str, str]) -> str | None:
            names = {"user_id": {"S": key[0]}, "region": {"S": key[1]}}
            found = client.get_item(TableName=self.table, Key=names, ConsistentRead=True).get("Item")
            return found["version"]["N"] if found else None

        return read

    def _agree(
        self,
        what: str,
        left: Mapping[Any, str],
        lost: Mapping[Any, str],
        in_left: Callable[[Any], str | None],
        in_lost: Callable[[Any], str | None],
    ) -> str:
        """Wait until each key that differed was seen the same in both; clients write on meanwhile."""
        began = time.monotonic()
        differing = {key for key in left.keys() | lost.keys() if left.get(key) != lost.get(key)}
        late = len(differing)

        def same() -> bool:
            differing.intersection_update({key for key in differing if in_left(key) != in_lost(key)})
            return not differing

        self._until(f"{late} {what} to be the same in both regions", same)
        return f"{len(left):,} {what}, {late:,} came late" + (f", {time.monotonic() - began:.1f} s" if late else "")

    def _until(self, what: str, condition: Callable[[], bool], timeout_s: float = 0) -> None:
        """Wait for something, `ARRIVAL_S` unless told; a single call that fails meanwhile is asked again."""
        timeout_s = timeout_s or ARRIVAL_S
        deadline = time.monotonic() + timeout_s
        while True:
            with suppress(*GONE):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise OrreryError(
                    f"waited {timeout_s:.0f} s in vain for {what}",
                    next_step="the fence stays as it is; run it again when replication works",
                )
            _pause()


def _objects(client: Any, bucket: str) -> Iterator[tuple[str, str]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for each in page.get("Contents", []):
            yield each["Key"], each["ETag"]


def _object_in(client: Any, bucket: str) -> Callable[[Any], str | None]:
    def read(key: str) -> str | None:
        try:
            return str(client.head_object(Bucket=bucket, Key=key)["ETag"])
        except client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise

    return read


def _pause() -> None:
    time.sleep(0.25)
