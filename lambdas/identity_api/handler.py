"""The identity API: users in a global table, found by id or by e-mail, the same answers in every region.

One function per region stands behind that region's HTTP API. It talks only to its own region: the table's replica,
the bucket's replica, the secret's replica. What one region writes, the others read once it is replicated.

Each region writes an item of its own for a user, and the newest version counts: see `_Versions` and ADR 0013.

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
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

import boto3
from boto3.dynamodb.conditions import Attr, Key
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

LIMIT_BYTES = 16 * 1024
ATTEMPTS = 5
"""How often a write is tried against others that change the same user."""
TOMBSTONE_S = 90 * 24 * 3600
"""How long a deleted user's version is kept; a region that was away for longer may bring the user back."""
CANARY_S = 24 * 3600
"""How long an instance's canary outlives its last health check."""
FENCE_S = 1.0
"""How long a fence may go unnoticed."""
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
    """Create or change a user, as the next version or, with ``Write-Version``, as the version that the caller names.

    A caller who numbers its own writes can't be overtaken by itself: a request that it gave up and that is executed
    late names an older version than what it wrote since. The same write sent twice is done once.
    ``If-Match`` refuses the write where somebody else changed the user since it was read in this region.
    """
    user_id, fields = _user_id(event), _fields(event)
    expected, chosen = _number(event, "if-match"), _number(event, "write-version")
    _refuse_where_fenced()
    for _ in range(ATTEMPTS):
        found = _Versions(user_id)
        if expected is not None and expected != found.version:
            raise Refused(412, f"{user_id} was changed since version {expected}; read it again")
        if chosen is not None and chosen <= found.version:
            if chosen == found.version and found.live and fields.items() <= found.live.items():
                return 200, _shown(found.live)
            raise Refused(412, f"version {chosen} of {user_id} comes late: version {found.version} is here")
        now = _now()
        item = {
            **fields,
            "email_hash": email_hash(fields["email"]),
            "created_at": found.live["created_at"] if found.live else now,
            "updated_at": now,
        }
        if found.replace_own(item, chosen or found.version + 1):
            return (200 if found.live else 201), _shown(item)
    raise Refused(409, f"{user_id} is being changed by others; try again")


def get_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return a user as this region knows it."""
    user_id = _user_id(event)
    live = _Versions(user_id).live
    if live is None:
        raise Refused(404, f"there is no user {user_id} in {_region()}")
    return 200, _shown(live)


def delete_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Delete a user; deleting one that is gone is fine.

    What stays for a while is a tombstone without any personal data: its version keeps a late write from bringing the
    user back.
    """
    user_id = _user_id(event)
    _refuse_where_fenced()
    for _ in range(ATTEMPTS):
        found = _Versions(user_id)
        tombstone = {"deleted": True, "updated_at": _now(), "expires_at": int(time.time()) + TOMBSTONE_S}
        if found.live is None or found.replace_own(tombstone, found.version + 1):
            _Versions(user_id).remove_older_elsewhere()
            return 200, {"deleted": user_id}
    raise Refused(409, f"{user_id} is being changed by others; try again")


def find_user(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Find users by e-mail address (``POST /lookup`` with ``{"email": …}``, so that no address is in a URL)."""
    wanted = email_hash(_email(_json(event)))
    found = _table().query(IndexName="by-email", KeyConditionExpression=Key("email_hash").eq(wanted))
    users = [_Versions(user_id).live for user_id in sorted({item["user_id"] for item in found["Items"]})]
    # The index also holds what another region has replaced since.
    return 200, {"users": [_shown(user) for user in users if user and user["email_hash"] == wanted]}


def health(event: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Answer 200 only when this region can serve: no fence, a canary written and read, the secret read.

    A process that runs says nothing about the data behind it, so the check goes down the same path as a user.
    """
    _refuse_where_fenced()
    # Each instance has a canary of its own: Route 53 asks from many places at once, and one would read another's.
    key, stamp = {"user_id": f"canary-{_region()}-{_instance()}", "region": _region()}, _now()
    _table().put_item(Item={**key, "updated_at": stamp, "version": 0, "expires_at": int(time.time()) + CANARY_S})
    read = _table().get_item(Key=key, ConsistentRead=True).get("Item", {})
    if read.get("updated_at") != stamp:
        raise Refused(503, "the canary that was written is not the one that is read")
    email_hash("canary@example.com")
    return 200, {"status": "ok", "region": _region()}


class _Versions:
    """What this region knows of a user: an item for each region that has written it, of which the newest counts.

    Each region writes only its own item, so no region ever overwrites what another one wrote, whenever it comes back
    and whatever its clock says: the table's own rule, the last writer wins, never has to choose. Of two items with
    the same version, written on both sides of a broken link, the region's name decides, everywhere alike.

    Parameters
    ----------
    user_id : str
        Which user.
    """

    def __init__(self, user_id: str) -> None:
        found = _table().query(KeyConditionExpression=Key("user_id").eq(user_id), ConsistentRead=True)["Items"]
        self._key = {"user_id": user_id, "region": _region()}
        self._all = sorted(found, key=lambda item: (item["version"], item["region"]))
        self._own = next((item for item in found if item["region"] == _region()), None)
        self.version = int(self._all[-1]["version"]) if found else 0
        self.live = self._all[-1] if found and not self._all[-1].get("deleted") else None

    def replace_own(self, item: dict[str, Any], version: int) -> bool:
        """Write this region's item unless somebody did since it was read; return whether it is written."""
        write = os.urandom(8).hex()
        item |= {**self._key, "version": version, "write_id": write}
        unchanged = Attr("version").eq(self._own["version"]) if self._own else Attr("version").not_exists()
        try:
            _table().put_item(Item=item, ConditionExpression=unchanged)
        except _table().meta.client.exceptions.ConditionalCheckFailedException:
            # The SDK repeats a call whose answer got lost: then it was this write that is in its own way.
            there = _table().get_item(Key=self._key, ConsistentRead=True).get("Item", {})
            return bool(there.get("write_id") == write)
        return True

    def remove_older_elsewhere(self) -> None:
        """Remove what other regions hold of a deleted user, unless one of them wrote it anew."""
        for item in self._all[:-1] if self.live is None else []:
            # The condition fails where another region's write has arrived in between: that one stays.
            with suppress(_table().meta.client.exceptions.ConditionalCheckFailedException):
                _table().delete_item(
                    Key={"user_id": item["user_id"], "region": item["region"]},
                    ConditionExpression=Attr("version").lt(self.version),
                )


def _refuse_where_fenced() -> None:
    """Refuse to write, and to be healthy, in a region that an operator has fenced.

    The fence is an item of the table: an operator writes it in a region that works, and the fenced one finds it when
    it is back. It is looked up once in `FENCE_S`.
    """
    seen = _fence(int(time.monotonic() / FENCE_S))
    if seen:
        raise Refused(503, f"{_region()} is fenced since {seen}; use another region")


@lru_cache(maxsize=1)
def _fence(now: int) -> str:
    found = _table().query(KeyConditionExpression=Key("user_id").eq(f"fence-{_region()}"), ConsistentRead=True)
    return next((str(item["updated_at"]) for item in found["Items"] if item.get("closed")), "")


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
    if not _ID.fullmatch(user_id) or user_id.startswith(("canary-", "fence-")):
        raise Refused(400, "a user id is 1 to 64 lower case letters, digits and hyphens, and no canary-… or fence-…")
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


def _number(event: Mapping[str, Any], header: str) -> int | None:
    """Return the version in a header, such as ``If-Match: "7"``; None without."""
    headers = {str(key).lower(): str(value) for key, value in (event.get("headers") or {}).items()}
    given = headers.get(header, "").strip().removeprefix("W/").strip('"')
    if not given or given == "*":
        return None
    if not re.fullmatch(r"[0-9]{1,15}", given):
        raise Refused(400, f"{header} must hold a version, as an ETag does")
    return int(given)


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a caller may see: not what only the table needs, and numbers as numbers."""
    shown = {key: value for key, value in item.items() if key not in ("email_hash", "write_id", "region")}
    return shown | {"version": int(item["version"]), "written_in": item["region"]}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() // 1000 % 1_000_000:06d}Z"


def _region() -> str:
    return os.environ["AWS_REGION"]


@cache
def _instance() -> str:
    return os.urandom(4).hex()


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
