"""The identity API against an AWS in this process: each route, each refusal, and what must never leak."""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws

REGION = "eu-west-1"
PEPPER = "correct horse battery staple"
HANDLER = Path(__file__).resolve().parents[3] / "lambdas" / "identity_api" / "handler.py"
ADA = {"name": "Ada Lovelace", "email": "Ada@Example.com"}


@pytest.fixture(scope="module")
def region() -> Iterator[tuple[Any, ModuleType]]:
    """One region with the users' table and the secret, and the function started in it."""
    # In this order: what moto sets itself would else be put back after moto took it away.
    with mock_aws(), pytest.MonkeyPatch.context() as environment:
        settings = {"AWS_REGION": REGION, "USERS_TABLE": "users", "PEPPER_SECRET": "pepper"}
        for name, value in (settings | {"AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}).items():
            environment.setenv(name, value)
        boto3.client("secretsmanager", REGION).create_secret(Name="pepper", SecretString=PEPPER)
        table = boto3.resource("dynamodb", REGION).create_table(
            TableName="users",
            KeySchema=[
                {"AttributeName": "user_id", "KeyType": "HASH"},
                {"AttributeName": "region", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "user_id", "AttributeType": "S"},
                {"AttributeName": "region", "AttributeType": "S"},
                {"AttributeName": "email_hash", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-email",
                    "KeySchema": [{"AttributeName": "email_hash", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        spec = importlib.util.spec_from_file_location("identity_api_handler", HANDLER)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield table, module


@pytest.fixture
def aws(region: tuple[Any, ModuleType]) -> Iterator[Any]:
    """The users' table, empty before each test."""
    table, _ = region
    yield table
    for item in table.scan()["Items"]:
        table.delete_item(Key={key: item[key] for key in ("user_id", "region")})


@pytest.fixture
def api(region: tuple[Any, ModuleType], aws: Any) -> Iterator[ModuleType]:
    """The function, with nothing of another test in its memory."""
    _, module = region
    fresh = (module._table, module._pepper, module._fence)  # a test may put something else in their place
    yield module
    for remembered in fresh:
        remembered.cache_clear()


def call(api: ModuleType, route: str, body: Any = None, user: str = "", **headers: str) -> tuple[int, dict[str, Any]]:
    """Send one request as API Gateway would hand it over; check what every answer must have."""
    event: dict[str, Any] = {"version": "2.0", "routeKey": route, "headers": headers}
    if user:
        event["pathParameters"] = {"id": user}
    if body is not None:
        event["body"] = body if isinstance(body, str) else json.dumps(body)
    answer = api.handler(event, None)
    assert answer["headers"]["content-type"] == "application/json"
    assert answer["headers"]["x-region"] == REGION
    assert answer["headers"]["cache-control"] == "no-store"
    decoded = json.loads(answer["body"])
    assert answer["headers"].get("etag") == (f'"{decoded["version"]}"' if "version" in decoded else None)
    return answer["statusCode"], decoded


def put(api: ModuleType, user: str = "ada", body: Any = ADA, **headers: str) -> tuple[int, dict[str, Any]]:
    return call(api, "PUT /users/{id}", body, user, **headers)


def get(api: ModuleType, user: str = "ada") -> tuple[int, dict[str, Any]]:
    return call(api, "GET /users/{id}", None, user)


def lookup(api: ModuleType, email: Any) -> tuple[int, dict[str, Any]]:
    return call(api, "POST /lookup", {"email": email})


# --------------------------------------------------------------------------------------------- routes


def test_a_user_is_created_read_changed_found_and_deleted(api: ModuleType) -> None:
    status, created = put(api)
    assert (status, created["version"], created["written_in"]) == (201, 1, REGION)
    assert get(api) == (200, created)
    status, changed = put(api, body={**ADA, "name": "Ada King"})
    assert (status, changed["version"], changed["name"]) == (200, 2, "Ada King")
    assert changed["created_at"] == created["created_at"] < changed["updated_at"]
    assert lookup(api, ADA["email"]) == (200, {"users": [changed]})
    assert call(api, "DELETE /users/{id}", None, "ada") == (200, {"deleted": "ada"})
    assert get(api)[0] == 404
    assert lookup(api, ADA["email"]) == (200, {"users": []})


def test_deleting_twice_is_fine(api: ModuleType) -> None:
    assert call(api, "DELETE /users/{id}", None, "nobody") == (200, {"deleted": "nobody"})


def test_an_unknown_user_is_404_and_says_in_which_region(api: ModuleType) -> None:
    assert get(api, "nobody") == (404, {"error": f"there is no user nobody in {REGION}"})


@pytest.mark.parametrize("route", ["GET /users", "PATCH /users/{id}", "$default", ""])
def test_an_unknown_route_is_404(api: ModuleType, route: str) -> None:
    status, body = call(api, route)
    assert status == 404 and "there is no" in body["error"]


def test_the_routes_of_the_function_are_those_of_the_stack(api: ModuleType) -> None:
    from infra import catalog
    from infra.stack import load_class

    stack = load_class(catalog.built("14_blackhole"))
    import sys

    assert {*sys.modules[stack.__module__].ROUTES, "GET /ready"} == set(api.ROUTES)


# ----------------------------------------------------------------------------------------- validation


@pytest.mark.parametrize(
    "user", ["Ada", "-ada", "a" * 65, "ada/../bob", "ada\n", "", "ä", "canary-eu-west-1", "fence-eu-west-1"]
)
@pytest.mark.parametrize("route", ["PUT /users/{id}", "GET /users/{id}", "DELETE /users/{id}"])
def test_a_bad_id_is_refused_on_every_route(api: ModuleType, route: str, user: str) -> None:
    status, body = call(api, route, ADA, user)
    assert status == 400 and "user id" in body["error"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{", "must be JSON"),
        ("", "must be JSON"),
        ("[" * 15_000, "must be JSON"),
        ('{"name": "half a pair: \\ud83d", "email": "a@b.cd"}', "must be JSON"),
        ("[]", "must be a JSON object"),
        ('"text"', "must be a JSON object"),
        ({"email": "a@b.cd"}, "name"),
        ({"name": "", "email": "a@b.cd"}, "name"),
        ({"name": "   ", "email": "a@b.cd"}, "name"),
        ({"name": "x" * 201, "email": "a@b.cd"}, "name"),
        ({"name": 5, "email": "a@b.cd"}, "name"),
        ({"name": "Ada"}, "email"),
        ({"name": "Ada", "email": None}, "email"),
        ({"name": "Ada", "email": "ada"}, "email"),
        ({"name": "Ada", "email": "a@b@c.de"}, "email"),
        ({"name": "Ada", "email": "a b@c.de"}, "email"),
        ({"name": "Ada", "email": "a@b"}, "email"),
        ({**ADA, "role": "admin"}, "unknown field: role"),
        ({**ADA, "version": 9}, "unknown field: version"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_written(api: ModuleType, aws: Any, body: Any, complaint: str) -> None:
    status, answer = put(api, body=body)
    assert status == 400 and complaint in answer["error"]
    assert aws.scan()["Count"] == 0


def test_a_body_that_is_too_large_is_refused(api: ModuleType) -> None:
    assert put(api, body={**ADA, "name": "x" * 17_000})[0] == 413


def test_bytes_that_are_no_text_are_refused(api: ModuleType) -> None:
    event = {"routeKey": "POST /lookup", "isBase64Encoded": True, "body": base64.b64encode(b"\xff\xfe{").decode()}
    assert api.handler(event, None)["statusCode"] == 400


def test_an_encoded_body_is_decoded(api: ModuleType) -> None:
    body = base64.b64encode(json.dumps(ADA).encode()).decode()
    event = {"routeKey": "PUT /users/{id}", "pathParameters": {"id": "ada"}, "isBase64Encoded": True, "body": body}
    assert api.handler(event, None)["statusCode"] == 201


def test_blanks_around_a_value_are_dropped_and_other_scripts_are_kept(api: ModuleType) -> None:
    _, created = put(api, body={"name": "  Åsa Öhlund 李 ", "email": " asa@example.com "})
    assert (created["name"], created["email"]) == ("Åsa Öhlund 李", "asa@example.com")


# --------------------------------------------------------------------------------- concurrent writers


def test_a_write_from_an_old_version_is_412_and_changes_nothing(api: ModuleType) -> None:
    put(api)
    put(api, body={**ADA, "name": "Second"})
    status, body = put(api, body={**ADA, "name": "Lost update"}, **{"If-Match": '"1"'})
    assert status == 412 and "version 1" in body["error"]
    assert get(api)[1]["name"] == "Second"


@pytest.mark.parametrize("given", ['"1"', "1", 'W/"1"', "*", ""])
def test_a_write_from_the_present_version_goes_through(api: ModuleType, given: str) -> None:
    put(api)
    status, body = put(api, body={**ADA, "name": "Next"}, **{"if-match": given})
    assert (status, body["version"]) == (200, 2)


def test_if_match_on_a_user_that_is_gone_is_412(api: ModuleType) -> None:
    assert put(api, **{"If-Match": '"3"'})[0] == 412
    assert get(api)[0] == 404


def test_an_if_match_that_is_no_version_is_refused(api: ModuleType) -> None:
    assert put(api, **{"If-Match": '"abc"'})[0] == 400


def test_a_write_that_comes_late_is_412_and_changes_nothing(api: ModuleType) -> None:
    assert put(api, body={**ADA, "name": "Fifth"}, **{"Write-Version": "5"})[1]["version"] == 5
    status, body = put(api, body={**ADA, "name": "Fourth, late"}, **{"Write-Version": "4"})
    assert status == 412 and "comes late" in body["error"]
    assert get(api)[1]["name"] == "Fifth"


def test_a_write_that_is_sent_twice_is_done_once(api: ModuleType, aws: Any) -> None:
    first = put(api, **{"Write-Version": "1"})
    before = aws.scan()["Items"]
    assert put(api, **{"Write-Version": "1"}) == (200, first[1])
    assert aws.scan()["Items"] == before


def test_another_write_of_the_same_version_is_412(api: ModuleType) -> None:
    put(api, **{"Write-Version": "1"})
    assert put(api, body={**ADA, "name": "Other"}, **{"Write-Version": "1"})[0] == 412


@pytest.mark.parametrize("given", ["abc", "-1", "9" * 16])
def test_a_version_that_is_none_is_refused(api: ModuleType, given: str) -> None:
    assert put(api, **{"Write-Version": given})[0] == 400


def test_writers_at_the_same_time_lose_no_update(api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading and writing, another writer of the region is quicker: the second tries again upon its work."""
    put(api)
    fresh, raced = api._Versions.__init__, []

    def raced_once(self: Any, user_id: str) -> None:
        fresh(self, user_id)
        if not raced:
            raced.append(True)
            put(api, body={**ADA, "name": "Quicker"})

    monkeypatch.setattr(api._Versions, "__init__", raced_once)
    assert put(api, body={**ADA, "name": "Slower"})[1]["version"] == 3


def test_a_write_whose_answer_was_lost_is_recognized(api: ModuleType, aws: Any) -> None:
    """The SDK sends it again, and the condition fails upon its own work."""

    class Repeating:
        def __getattr__(self, name: str) -> Any:
            return getattr(aws, name)

        def put_item(self, **request: Any) -> Any:
            aws.put_item(**request)
            return aws.put_item(**request)

    api._table.cache_clear()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(api, "_table", Repeating)
        assert put(api)[1]["version"] == 1


# --------------------------------------------------------------------------------------- the other region


def elsewhere(aws: Any, version: int, name: str, region: str = "us-east-1", **more: Any) -> None:
    """Let what another region wrote arrive."""
    item = {"user_id": "ada", "region": region, "version": version, "name": name, "email": "ada@example.com"}
    aws.put_item(Item={**item, "created_at": "then", "updated_at": "then", "email_hash": "x", **more})


def test_what_another_region_wrote_is_read_and_counted_on(api: ModuleType, aws: Any) -> None:
    elsewhere(aws, 3, "From afar")
    assert (get(api)[1]["name"], get(api)[1]["written_in"]) == ("From afar", "us-east-1")
    assert put(api)[1]["version"] == 4
    assert get(api)[1]["created_at"] == "then"


def test_no_region_writes_another_ones_item(api: ModuleType, aws: Any) -> None:
    elsewhere(aws, 3, "From afar")
    put(api)
    assert {item["region"]: item["name"] for item in aws.scan()["Items"]} == {
        "us-east-1": "From afar",
        REGION: ADA["name"],
    }


def test_an_old_write_that_arrives_later_changes_nothing(api: ModuleType, aws: Any) -> None:
    put(api, **{"Write-Version": "7"})
    elsewhere(aws, 6, "Old, from a region that came back")
    assert get(api)[1]["name"] == ADA["name"]
    assert lookup(api, ADA["email"])[1]["users"][0]["version"] == 7


def test_two_regions_with_one_version_are_decided_alike_everywhere(api: ModuleType, aws: Any) -> None:
    put(api)
    elsewhere(aws, 1, "The other side of the link")
    assert get(api)[1]["written_in"] == "us-east-1", "the later name of a region wins"


def test_an_address_that_another_region_replaced_is_not_found(api: ModuleType, aws: Any) -> None:
    put(api)
    elsewhere(aws, 2, "Ada King", email="king@example.com", email_hash=api.email_hash("king@example.com"))
    assert lookup(api, ADA["email"])[1]["users"] == []
    assert lookup(api, "king@example.com")[1]["users"][0]["name"] == "Ada King"


def test_a_deleted_user_leaves_no_personal_data_and_does_not_come_back(api: ModuleType, aws: Any) -> None:
    elsewhere(aws, 3, "From afar")
    call(api, "DELETE /users/{id}", None, "ada")
    (tombstone,) = aws.scan()["Items"]
    assert not {"name", "email", "email_hash"} & tombstone.keys() and tombstone["expires_at"] > 0
    elsewhere(aws, 3, "An old write that arrives late")
    assert get(api)[0] == 404
    assert put(api, **{"Write-Version": "3"})[0] == 412
    assert put(api)[:1] == (201,) and get(api)[1]["version"] == 5


def fence(aws: Any, closed: bool) -> None:
    """Let an operator in the other region fence this one."""
    key = {"user_id": f"fence-{REGION}", "region": "us-east-1"}
    aws.put_item(Item={**key, "version": 1, "closed": closed, "updated_at": "2026-11-24T12:00:00Z"})


def test_a_fenced_region_writes_nothing_and_is_not_healthy(api: ModuleType, aws: Any) -> None:
    put(api)
    fence(aws, True)
    api._fence.cache_clear()
    for route, user in (("PUT /users/{id}", "ada"), ("DELETE /users/{id}", "ada"), ("GET /ready", "")):
        status, body = call(api, route, {**ADA, "name": "Fenced"}, user)
        assert status == 503 and "fenced since 2026-11-24T12:00:00Z" in body["error"]
    assert get(api)[1]["name"] == ADA["name"], "it still reads"
    fence(aws, False)
    api._fence.cache_clear()
    assert put(api)[0] == 200 and call(api, "GET /ready")[0] == 200


def test_a_bad_request_is_told_so_in_a_fenced_region_too(api: ModuleType, aws: Any) -> None:
    fence(aws, True)
    api._fence.cache_clear()
    assert put(api, "Not An Id")[0] == 400


def test_a_writer_that_is_always_too_slow_is_told_so(api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    put(api)
    monkeypatch.setattr(api._Versions, "replace_own", lambda *_: False)
    for status, body in (put(api), call(api, "DELETE /users/{id}", None, "ada")):
        assert status == 409 and "changed by others" in body["error"]


def test_a_deletion_leaves_what_another_region_wrote_anew(api: ModuleType, aws: Any) -> None:
    put(api)
    call(api, "DELETE /users/{id}", None, "ada")
    stale = api._Versions("ada")
    stale._all = [{"user_id": "ada", "region": "us-east-1", "version": 1}, *stale._all]  # as it was read
    elsewhere(aws, 3, "Written anew")
    stale.remove_older_elsewhere()
    assert get(api)[1]["name"] == "Written anew"


# ----------------------------------------------------------------------------------- e-mail and hashes


@pytest.mark.parametrize("email", ["ada@example.com", "ADA@EXAMPLE.COM", "  Ada@Example.Com "])
def test_an_address_is_found_in_upper_and_lower_case(api: ModuleType, email: str) -> None:
    put(api)
    status, body = lookup(api, email)
    assert status == 200 and [user["user_id"] for user in body["users"]] == ["ada"]


def test_two_users_with_one_address_are_both_found(api: ModuleType) -> None:
    put(api)
    put(api, "countess")
    assert sorted(user["user_id"] for user in lookup(api, ADA["email"])[1]["users"]) == ["ada", "countess"]


def test_a_changed_address_is_found_and_the_old_one_is_not(api: ModuleType) -> None:
    put(api)
    put(api, body={**ADA, "email": "king@example.com"})
    assert lookup(api, ADA["email"])[1]["users"] == []
    assert len(lookup(api, "king@example.com")[1]["users"]) == 1


@pytest.mark.parametrize("email", ["ada", 5, None, ["ada@example.com"]])
def test_a_lookup_of_what_is_no_address_is_refused(api: ModuleType, email: Any) -> None:
    assert lookup(api, email)[0] == 400


def test_the_index_holds_a_hash_that_only_the_secret_can_make(api: ModuleType, aws: Any) -> None:
    put(api)
    (item,) = aws.scan()["Items"]
    assert item["email_hash"] == hmac.new(PEPPER.encode(), b"ada@example.com", hashlib.sha256).hexdigest()
    assert item["email_hash"] != hashlib.sha256(b"ada@example.com").hexdigest()


def test_no_answer_and_no_log_line_gives_a_hash_or_the_key_away(
    api: ModuleType, aws: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [put(api), get(api), lookup(api, ADA["email"]), put(api, **{"If-Match": '"7"'}), call(api, "GET /ready")]
    (hashed,) = (item["email_hash"] for item in aws.scan()["Items"] if "email_hash" in item)
    said = json.dumps(answers) + capsys.readouterr().out
    assert hashed not in said and PEPPER not in said and "email_hash" not in said


def test_the_log_holds_no_personal_data(api: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    put(api)
    lookup(api, ADA["email"])
    log = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["kind"], line["route"], line["status"], line["region"]) for line in log] == [
        ("request", "PUT /users/{id}", 201, REGION),
        ("request", "POST /lookup", 200, REGION),
    ]
    assert "ada" not in json.dumps(log).lower().replace("/users/{id}", "")


# -------------------------------------------------------------------------------------- storage in trouble


def test_storage_that_does_not_answer_is_503_and_says_to_try_another_region(
    api: ModuleType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def down() -> None:
        raise EndpointConnectionError(endpoint_url="https://dynamodb.eu-west-1.amazonaws.com")

    monkeypatch.setattr(api, "_table", down)
    for route, user in (
        ("PUT /users/{id}", "ada"),
        ("GET /users/{id}", "ada"),
        ("POST /lookup", ""),
        ("GET /ready", ""),
    ):
        status, body = call(api, route, ADA, user)
        assert status == 503 and "another region" in body["error"]
        assert "dynamodb" not in body["error"], "callers need not know what stands behind"
    assert '"kind": "error"' in capsys.readouterr().out


def test_a_table_that_is_gone_is_503(api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERS_TABLE", "gone")
    api._table.cache_clear()
    assert get(api)[0] == 503
    assert call(api, "GET /ready")[0] == 503


def test_a_region_is_ready_when_its_canary_is_read_as_written(api: ModuleType, aws: Any) -> None:
    assert call(api, "GET /ready") == (200, {"status": "ok", "region": REGION})
    (canary,) = aws.scan()["Items"]
    assert canary["user_id"].startswith(f"canary-{REGION}-") and canary["expires_at"] > time.time()
    assert "email_hash" not in canary, "a lookup never finds it"


def test_checks_at_the_same_time_do_not_read_each_others_canary(
    api: ModuleType, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = api._table(), []
    read = table.get_item

    def another_checks_first(**wanted: Any) -> Any:
        if not other:
            other.append(True)
            api._instance.cache_clear()
            assert call(api, "GET /ready")[0] == 200
        return read(**wanted)

    monkeypatch.setattr(table, "get_item", another_checks_first)
    assert call(api, "GET /ready")[0] == 200 and other
    assert len(aws.scan()["Items"]) == 2


def test_a_region_that_reads_something_old_is_not_ready(api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stale:
        def query(self, **_: Any) -> dict[str, Any]:
            return {"Items": []}

        def put_item(self, **_: Any) -> None:
            pass

        def get_item(self, **_: Any) -> dict[str, Any]:
            return {"Item": {"updated_at": "yesterday"}}

    monkeypatch.setattr(api, "_table", Stale)
    status, body = call(api, "GET /ready")
    assert status == 503 and "canary" in body["error"]


def test_a_region_without_the_secret_is_not_ready(api: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEPPER_SECRET", "gone")
    api._pepper.cache_clear()
    assert call(api, "GET /ready")[0] == 503


def test_the_function_gives_up_before_the_health_check_does(api: ModuleType) -> None:
    """Route 53 waits four seconds for a connection and two for the answer."""
    config = api._CONFIG
    assert config.connect_timeout <= 4 and config.retries["total_max_attempts"] <= 2
