"""The identity API: users in a global table, found by id or by e-mail, the same answers in every region.

One function per region stands behind that region's HTTP API. It talks only to its own region: the table's replica,
the bucket's replica, the secret's replica. What one region writes, the others read once it is replicated.

E-mail addresses are looked up by a keyed hash (HMAC-SHA-256) whose key is the replicated secret, so that the index
holds no address and a stolen copy of it can't be tried against a list of addresses.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

LIMIT_BYTES = 16 * 1024
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}\.[^@\s]{2,63}")
# A region in trouble must say so within the health check's patience, not after a minute of retries.
_CONFIG = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2, "mode": "standard"})


class Refused(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : int
        The HTTP status.
    what : str
        What is wrong, for the caller.
    """

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status, self.what = status, what


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Answer one request of the HTTP API.

    Parameters
    ----------
    event : mapping
        API Gateway's HTTP API event, payload format 2.0.
    context : object
        Lambda's context; only its request id is used.

    Returns
    -------
    dict
        ``statusCode``, ``headers``, ``body``.
    """
    started = time.monotonic()
    route = str(event.get("routeKey", ""))
    try:
        serve = ROUTES.get(route)
        if serve is None:
            raise Refused(404, f"there is no {route or 'such route'}")
        status, body = serve(event)
    except Refused as refusal:
        status, body = refusal.status, {"error": refusal.what}
    except (BotoCoreError, ClientError) as error:
        _log("error", route=route, reason=str(error))
        status, body = 503, {"error": "the region's storage does not answer; try another region"}
    _log("request", route=route, status=status, ms=round((time.monotonic() - started) * 1000))
    headers = {"content-type": "application/json", "x-region": _region(), "cache-control": "no-store"}
    if isinstance(body.get("version"), int):
        headers["etag"] = f'"{body["version"]}"'
    return {"statusCode": status, "headers": headers, "body": json.dumps(body, sort_keys=True)}


def put_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Create or change a user; with ``If-Match`` only where nobody changed it since."""
    user_id, fields = _user_id(event), _fields(event)
    names = {"#name": "name", "#version": "version"}
    values: dict[str, Any] = {
        ":email": fields["email"],
        ":hash": email_hash(fields["email"]),
        ":name": fields["name"],
        ":one": 1,
        ":region": _region(),
        ":now": _now(),
    }
    update = (
        "SET email = :email, email_hash = :hash, #name = :name, written_in = :region, updated_at = :now, "
        "created_at = if_not_exists(created_at, :now) ADD #version :one"
    )
    request: dict[str, Any] = {
        "Key": {"user_id": user_id},
        "UpdateExpression": update,
        "ExpressionAttributeNames": names,
        "ExpressionAttributeValues": values,
        "ReturnValues": "ALL_NEW",
    }
    expected = _if_match(event)
    if expected is not None:
        values[":expected"] = expected
        request["ConditionExpression"] = "#version = :expected"
    try:
        item = _table().update_item(**request)["Attributes"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        raise Refused(412, f"{user_id} was changed since version {expected}; read it again") from error
    return (201 if item["version"] == 1 else 200), _shown(item)


def get_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return a user as this region knows it."""
    user_id = _user_id(event)
    item = _table().get_item(Key={"user_id": user_id}, ConsistentRead=True).get("Item")
    if item is None:
        raise Refused(404, f"there is no user {user_id} in {_region()}")
    return 200, _shown(item)


def delete_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Delete a user; deleting one that is gone is fine."""
    user_id = _user_id(event)
    _table().delete_item(Key={"user_id": user_id})
    return 200, {"deleted": user_id}


def find_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Find users by e-mail address (``POST /lookup`` with ``{"email": …}``, so that no address is in a URL)."""
    email = _email(_json(event))
    found = _table().query(IndexName="by-email", KeyConditionExpression=Key("email_hash").eq(email_hash(email)))
    return 200, {"users": [_shown(item) for item in found["Items"]]}


def health(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer 200 only when this region can serve: write and read a canary, read the secret.

    A process that runs says nothing about the data behind it, so the check goes down the same path as a user.
    """
    canary, stamp = f"canary-{_region()}", _now()
    _table().put_item(Item={"user_id": canary, "updated_at": stamp, "written_in": _region(), "version": 0})
    read = _table().get_item(Key={"user_id": canary}, ConsistentRead=True).get("Item", {})
    if read.get("updated_at") != stamp:
        raise Refused(503, "the canary that was written is not the one that is read")
    email_hash("canary@example.com")
    return 200, {"status": "ok", "region": _region()}


ROUTES: dict[str, Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]]] = {
    "PUT /users/{id}": put_user,
    "GET /users/{id}": get_user,
    "DELETE /users/{id}": delete_user,
    "POST /lookup": find_user,
    "GET /ready": health,
}


def email_hash(email: str) -> str:
    """Return the keyed hash under which an address is indexed; upper and lower case count as the same."""
    return hmac.new(_pepper(), email.strip().lower().encode(), hashlib.sha256).hexdigest()


def _user_id(event: Mapping[str, Any]) -> str:
    user_id = str((event.get("pathParameters") or {}).get("id", ""))
    if not _ID.fullmatch(user_id) or user_id.startswith("canary-"):
        raise Refused(400, "a user id is 1 to 64 lower case letters, digits and hyphens, and is no canary-…")
    return user_id


def _fields(event: Mapping[str, Any]) -> dict[str, str]:
    body = _json(event)
    name = body.get("name")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 200:
        raise Refused(400, "name must be a text of 1 to 200 characters")
    unknown = set(body) - {"name", "email"}
    if unknown:
        raise Refused(400, f"unknown field: {sorted(unknown)[0]}")
    return {"email": _email(body), "name": name.strip()}


def _email(body: Mapping[str, Any]) -> str:
    email = body.get("email")
    if not isinstance(email, str) or not _EMAIL.fullmatch(email.strip()):
        raise Refused(400, "email must be an e-mail address")
    return email.strip()


def _json(event: Mapping[str, Any]) -> dict[str, Any]:
    raw = event.get("body") or ""
    try:
        text = base64.b64decode(raw) if event.get("isBase64Encoded") else raw.encode()
        if len(text) > LIMIT_BYTES:
            raise Refused(413, f"the body is larger than {LIMIT_BYTES} bytes")
        body = json.loads(text)
        json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is JSON, but no text
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the body must be JSON") from error
    if not isinstance(body, dict):
        raise Refused(400, "the body must be a JSON object")
    return body


def _if_match(event: Mapping[str, Any]) -> int | None:
    headers = {str(key).lower(): str(value) for key, value in (event.get("headers") or {}).items()}
    given = headers.get("if-match", "").strip().removeprefix("W/").strip('"')
    if not given or given == "*":
        return None
    if not given.isdigit():
        raise Refused(400, "If-Match must hold the version from an ETag")
    return int(given)


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a caller may see: everything but the index's hash, numbers as numbers."""
    shown = {key: value for key, value in item.items() if key != "email_hash"}
    return shown | {"version": int(item["version"])}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1000 % 1_000_000:06d}Z"


def _region() -> str:
    return os.environ["AWS_REGION"]


@cache
def _table() -> Any:
    return boto3.resource("dynamodb", region_name=_region(), config=_CONFIG).Table(os.environ["USERS_TABLE"])


@cache
def _pepper() -> bytes:
    client = boto3.client("secretsmanager", region_name=_region(), config=_CONFIG)
    secret: str = client.get_secret_value(SecretId=os.environ["PEPPER_SECRET"])["SecretString"]
    return secret.encode()


def _log(kind: str, **fields: Any) -> None:
    print(json.dumps({"kind": kind, "region": os.environ.get("AWS_REGION"), **fields}, sort_keys=True))
