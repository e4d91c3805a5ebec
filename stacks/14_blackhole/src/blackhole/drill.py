"""The clients of 14_blackhole's drill: they write users, and can tell from each which write it comes from.

Write number 7 of a user has the name ``write 7`` and the address ``write-7@example.com``: a user with the one of one
write and the other of another is a mixture that no client wrote.
"""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from infra.drill.main import Context
from infra.drill.workload import Failed, Found

PATIENCE_S = 2.0
"""How long a client waits for a connection, and for an answer."""
_CONFIG = Config(
    connect_timeout=PATIENCE_S, read_timeout=PATIENCE_S, retries={"total_max_attempts": 1}, max_pool_connections=64
)
_UPDATE = (
    "SET email = :email, email_hash = :hash, #name = :name, written_in = :region, updated_at = :now, "
    "created_at = if_not_exists(created_at, :now) ADD #version :one"
)


class Identity:
    """Clients of the identity platform; see `infra.drill.workload.Workload`.

    Parameters
    ----------
    context : Context
        The deployed stack.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.table = str(context.outputs["users_table"])
        self._tables = {region: self._client(region, url) for region, url in context.urls.items()}
        self._doors = {region: self._client(region, context.door) for region in context.regions}
        self._signer = Credentials(context.access_key, context.secret_key)

    def write(self, path: str, region: str, key: str, seq: int) -> None:
        """Write a user."""
        if path == "api":
            body = json.dumps({"name": f"write {seq}", "email": f"write-{seq}@example.com"})
            status, _ = self._api("PUT", region, f"/users/{key}", body)
            if status not in (200, 201):
                raise Failed(str(status))
            return
        values = {
            ":email": {"S": f"write-{seq}@example.com"},
            ":hash": {"S": f"drill-{seq}"},
            ":name": {"S": f"write {seq}"},
            ":region": {"S": region},
            ":now": {"S": "drill"},
            ":one": {"N": "1"},
        }
        self._asked(
            self._tables[region].update_item,
            Key={"user_id": {"S": key}},
            UpdateExpression=_UPDATE,
            ExpressionAttributeNames={"#name": "name", "#version": "version"},
            ExpressionAttributeValues=values,
        )

    def read(self, path: str, region: str, key: str) -> int:
        """Return the write that a region shows of a user."""
        if path == "api":
            status, text = self._api("GET", region, f"/users/{key}", None)
            if status == 404:
                return -1
            if status != 200:
                raise Failed(str(status))
            return _number(json.loads(text)["name"])
        answer = self._asked(self._tables[region].get_item, Key={"user_id": {"S": key}}, ConsistentRead=True)
        return _number(answer["Item"]["name"]["S"]) if "Item" in answer else -1

    def content(self, region: str, keys: Sequence[str]) -> Mapping[str, Found]:
        """Return what a region's replica holds."""
        found = {}
        for start in range(0, len(keys), 100):
            asked = [{"user_id": {"S": key}} for key in keys[start : start + 100]]
            answer = self._doors[region].batch_get_item(
                RequestItems={self.table: {"Keys": asked, "ConsistentRead": True}}
            )
            for item in answer["Responses"][self.table]:
                name, email = _number(item["name"]["S"]), _number(item["email"]["S"])
                found[item["user_id"]["S"]] = Found(name, int(item["version"]["N"]), name != email)
        return found

    def healthy(self, region: str, timeout_s: float) -> bool:
        """Ask the health check, which goes down the path of the data."""
        try:
            return self._request("GET", region, "/ready", None, timeout_s)[0] == 200
        except Failed:
            return False

    def remove(self, keys: Sequence[str]) -> None:
        """Remove the users; their replicas go too."""
        home = self.context.regions[0]
        for start in range(0, len(keys), 25):
            gone = [{"DeleteRequest": {"Key": {"user_id": {"S": key}}}} for key in keys[start : start + 25]]
            self._doors[home].batch_write_item(RequestItems={self.table: gone})

    # -- parts -------------------------------------------------------------------------------------------------

    def _client(self, region: str, url: str) -> Any:
        keys = {"aws_access_key_id": self.context.access_key, "aws_secret_access_key": self.context.secret_key}
        return boto3.client("dynamodb", region_name=region, endpoint_url=url, config=_CONFIG, **keys)

    def _asked(self, call: Any, **request: Any) -> Any:
        try:
            return call(TableName=self.table, **request)
        except ClientError as error:
            raise Failed(str(error.response["ResponseMetadata"]["HTTPStatusCode"])) from error
        except (BotoCoreError, OSError) as error:
            raise Failed(_reason(error)) from error

    def _api(self, method: str, region: str, path: str, body: str | None) -> tuple[int, str]:
        return self._request(method, region, path, body, 2 * PATIENCE_S)

    def _request(self, method: str, region: str, path: str, body: str | None, timeout_s: float) -> tuple[int, str]:
        """Send a signed request to a region's API, through the region's port."""
        url = str(self.context.outputs[f"api_{region.replace('-', '_')}"]) + path
        headers = {"Host": urlsplit(url).netloc, "Content-Type": "application/json"}
        request = AWSRequest(method=method, url=url, data=body or "", headers=headers)
        SigV4Auth(self._signer, "execute-api", region).add_auth(request)
        there = urlsplit(self.context.urls[region])
        connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, dict(request.headers.items()))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise Failed(_reason(error)) from error
        finally:
            connection.close()


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
