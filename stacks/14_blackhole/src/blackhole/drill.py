"""The clients of 14_blackhole's drill: they write users, and can tell from each which write it comes from.

Write number 7 of a user has the name ``write 7`` and the address ``write-7@example.com``: a user with the one of one
write and the other of another is a mixture that no client wrote. Write number 7 of an avatar is an object of its own,
``<user>/00000007``: objects are never overwritten, so one that comes late replaces nothing.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.drill.ground import Context
from infra.drill.workload import Failed, Found, Late

PATIENCE_S = 2.0
"""How long a client waits for a connection, and for an answer."""
_CONFIG = Config(
    connect_timeout=PATIENCE_S, read_timeout=PATIENCE_S, retries={"total_max_attempts": 1}, max_pool_connections=64
)
_PATIENT = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 5}, max_pool_connections=64)
"""How an operator asks, who wants to know."""


class Identity:
    """Clients of the identity platform; see `infra.drill.workload.Workload`.

    Parameters
    ----------
    context : Context
        The deployed stack.
    """

    guarded = "api"

    def __init__(self, context: Context) -> None:
        self.context = context
        self.table = str(context.outputs["users_table"])
        self._tables = self._clients("dynamodb")
        self._doors = self._clients("dynamodb", operator=True)
        self._avatars = Avatars(
            {region: str(context.outputs[f"avatars_{region.replace('-', '_')}"]) for region in context.regions},
            self._clients("s3"),
            self._clients("s3", operator=True),
        )

    def write(self, path: str, region: str, key: str, seq: int) -> None:
        """Write a user or an avatar; the write's number is the version that it becomes, unless others write it too."""
        if path == "avatars":
            self._avatars.write(region, key, seq)
        elif path == "data":
            self._write_item(region, key, seq)
        else:
            body = json.dumps({"name": f"write {seq}", "email": f"write-{seq}@example.com"})
            version = {"Write-Version": str(seq)} if path == "api" else {}
            status, _ = self._api("PUT", region, f"/users/{key}", body, version)
            if status == 412:
                raise Late("412")
            if status not in (200, 201):
                raise Failed(str(status))

    def _write_item(self, region: str, key: str, seq: int) -> None:
        item = {
            "user_id": {"S": key},
            "region": {"S": region},
            "version": {"N": str(seq)},
            "email": {"S": f"write-{seq}@example.com"},
            "email_hash": {"S": f"drill-{seq}"},
            "name": {"S": f"write {seq}"},
        }
        try:
            self._asked(
                self._tables[region].put_item,
                Item=item,
                ConditionExpression="attribute_not_exists(version) OR version < :version",
                ExpressionAttributeValues={":version": item["version"]},
            )
        except Late:
            # Where an answer got lost, this write itself is there already.
            if self.read("data", region, key) != seq:
                raise

    def read(self, path: str, region: str, key: str) -> int:
        """Return the write that a region shows of a user or an avatar."""
        if path == "avatars":
            return self._avatars.read(region, key)
        if path != "data":
            status, text = self._api("GET", region, f"/users/{key}", None)
            if status == 404:
                return -1
            if status != 200:
                raise Failed(str(status))
            return _number(json.loads(text)["name"])
        answer = self._asked(
            self._tables[region].query,
            KeyConditionExpression="user_id = :key",
            ExpressionAttributeValues={":key": {"S": key}},
            ConsistentRead=True,
        )
        newest = max(answer["Items"], key=_rank, default=None)
        return _found(newest).seq if newest else -1

    def content(self, region: str, keys: Sequence[str]) -> Mapping[str, Found]:
        """Return what a region holds: of each user's items, and of each avatar's objects, the newest."""
        pictures = [key for key in keys if "-avatars-" in key]
        found: dict[str, Found] = self._avatars.content(region, pictures)
        keys = [key for key in keys if "-avatars-" not in key]
        step = 100 // len(self.context.regions)
        for start in range(0, len(keys), step):
            asked = [
                {"user_id": {"S": key}, "region": {"S": writer}}
                for key in keys[start : start + step]
                for writer in self.context.regions
            ]
            for item in sorted(self._got(region, asked), key=_rank):
                found[item["user_id"]["S"]] = _found(item)
        return found

    def healthy(self, region: str, timeout_s: float) -> bool:
        """Ask the health check, which goes down the path of the data."""
        try:
            return self._request("GET", region, "/ready", None, timeout_s)[0] == 200
        except Failed:
            return False

    def remove(self, keys: Sequence[str]) -> None:
        """Remove users and avatars; the users' replicas go too."""
        self._avatars.remove([key for key in keys if "-avatars-" in key])
        home = self.context.regions[0]
        items = [{"user_id": {"S": key}, "region": {"S": writer}} for key in keys for writer in self.context.regions]
        for start in range(0, len(items), 25):
            gone = [{"DeleteRequest": {"Key": each}} for each in items[start : start + 25]]
            left = {self.table: gone}
            while left:  # what AWS has no capacity for at this moment it gives back
                left = self._doors[home].batch_write_item(RequestItems=left)["UnprocessedItems"]

    # -- parts -------------------------------------------------------------------------------------------------

    def _clients(self, service: str, *, operator: bool = False) -> dict[str, Any]:
        client, config = self.context.client, _PATIENT if operator else _CONFIG
        return {region: client(service, region, operator=operator, config=config) for region in self.context.regions}

    def _got(self, region: str, keys: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        left: Mapping[str, Any] = {self.table: {"Keys": keys, "ConsistentRead": True}}
        while left:
            answer = self._doors[region].batch_get_item(RequestItems=left)
            found += answer["Responses"][self.table]
            left = answer["UnprocessedKeys"]
        return found

    def _asked(self, call: Any, **request: Any) -> Any:
        return asked(call, TableName=self.table, **request)

    def _api(
        self, method: str, region: str, path: str, body: str | None, more: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        return self._request(method, region, path, body, 2 * PATIENCE_S, more)

    def _request(
        self,
        method: str,
        region: str,
        path: str,
        body: str | None,
        timeout_s: float,
        more: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        """Send a signed request to a region's API."""
        url = str(self.context.outputs[f"api_{region.replace('-', '_')}"]) + path
        try:
            return self.context.http(method, url, region, body, more or {}, timeout_s)
        except (OSError, http.client.HTTPException) as error:
            raise Failed(_reason(error)) from error


class Avatars:
    """Avatars: each write is an object of its own, made only where it isn't yet; the highest number is shown.

    Parameters
    ----------
    buckets : mapping
        The bucket of each region.
    clients, doors : mapping
        S3 clients by region: through the region's port, and through the door that no fault closes.
    """

    def __init__(self, buckets: Mapping[str, str], clients: Mapping[str, Any], doors: Mapping[str, Any]) -> None:
        self.buckets, self.clients, self.doors = buckets, clients, doors
        self._whole: dict[tuple[str, str, int], bool] = {}

    def write(self, region: str, key: str, seq: int) -> None:
        """Put an object; that it is there already is an answer that got lost."""
        put, name = self.clients[region].put_object, f"{key}/{seq:08d}"
        with suppress(Late):
            asked(put, Bucket=self.buckets[region], Key=name, Body=self._body(key, seq), IfNoneMatch="*")

    def read(self, region: str, key: str) -> int:
        """Return the newest number that a region lists."""
        pages = self.clients[region].list_objects_v2
        found = asked(pages, Bucket=self.buckets[region], Prefix=f"{key}/").get("Contents", [])
        return max((int(each["Key"].rpartition("/")[2]) for each in found), default=-1)

    def content(self, region: str, keys: Sequence[str]) -> dict[str, Found]:
        """Return what a region holds; an object with other bytes than were written is mixed."""
        held: dict[str, list[int]] = defaultdict(list)
        for prefix in sorted({key.rpartition("-")[0] for key in keys}):
            pages = self.doors[region].get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self.buckets[region], Prefix=f"{prefix}-"):
                for each in page.get("Contents", []):
                    key, _, seq = each["Key"].rpartition("/")
                    held[key].append(int(seq))
        return {
            key: Found(max(held[key]), len(held[key]), not self._is_whole(region, key, max(held[key])))
            for key in keys
            if key in held
        }

    def remove(self, keys: Sequence[str]) -> None:
        """Remove all versions, in each region: the removal of a version is not replicated."""
        for region, bucket in self.buckets.items():
            door = self.doors[region]
            for prefix in sorted({key.rpartition("-")[0] for key in keys}):
                for page in door.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=f"{prefix}-"):
                    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
                    gone = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in found]
                    if gone:
                        door.delete_objects(Bucket=bucket, Delete={"Objects": gone, "Quiet": True})

    def _is_whole(self, region: str, key: str, seq: int) -> bool:
        known = (region, key, seq)
        if known not in self._whole:
            got = self.doors[region].get_object(Bucket=self.buckets[region], Key=f"{key}/{seq:08d}")
            self._whole[known] = got["Body"].read() == self._body(key, seq)
        return self._whole[known]

    @staticmethod
    def _body(key: str, seq: int) -> bytes:
        """Return 2 KiB that only this write has."""
        return hashlib.sha256(f"{key} {seq}".encode()).digest() * 64


def asked(call: Any, **request: Any) -> Any:
    """Make a call of the data plane; whatever goes wrong is a `Failed` that says why in a word."""
    try:
        return call(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("ConditionalCheckFailedException", "PreconditionFailed"):
            raise Late("412") from error
        raise Failed(str(error.response["ResponseMetadata"]["HTTPStatusCode"])) from error
    except (BotoCoreError, OSError) as error:
        raise Failed(_reason(error)) from error


def _rank(item: Mapping[str, Any]) -> tuple[int, str]:
    """Return what decides which item of a user counts, as the function has it: version, then region."""
    return int(item["version"]["N"]), item["region"]["S"]


def _found(item: Mapping[str, Any]) -> Found:
    name, email = _number(item["name"]["S"]), _number(item["email"]["S"])
    return Found(name, int(item["version"]["N"]), name != email)


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else -1


def _reason(error: BaseException) -> str:
    """Return why a request failed, in a word."""
    text = f"{type(error).__name__} {error}".lower()
    return next(
        (word for word in ("timeout", "refused", "reset", "closed") if word in text),
        "timeout" if "timed out" in text else "broken",
    )
