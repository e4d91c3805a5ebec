"""Who answers a request, what counts as a change, and which requests are turned away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from infra.local import aws_gateway as gateway

SIGNED = "AWS4-HMAC-SHA256 Credential=test/20261121/{}/aws4_request, SignedHeaders=host, Signature=0"


@pytest.mark.parametrize(
    ("headers", "query", "scope"),
    [
        ({"authorization": SIGNED.format("eu-west-1/s3")}, "", ("eu-west-1", "s3")),
        ({"authorization": SIGNED.format("us-east-1/LakeFormation")}, "", ("us-east-1", "lakeformation")),
        ({"authorization": SIGNED.format("s3")}, "", ("", "s3")),  # SigV4A names no region
        (
            {},
            "X-Amz-Credential=test%2F20261121%2Feu-west-1%2Fsqs%2Faws4_request&X-Amz-Date=0",
            ("eu-west-1", "sqs"),
        ),
        ({}, "X-Amz-Credential=nonsense", None),
        ({"authorization": "Bearer abc"}, "", None),
        ({}, "", None),
    ],
)
def test_the_region_and_service_come_from_the_signature(
    headers: dict[str, str], query: str, scope: tuple[str, str] | None
) -> None:
    assert gateway.credential_scope(headers, query) == scope


@pytest.mark.parametrize(
    ("method", "target", "query", "changes"),
    [
        ("GET", "", "", False),
        ("PUT", "", "", True),
        ("POST", "DynamoDB_20120810.PutItem", "", True),
        ("POST", "DynamoDB_20120810.Query", "", False),
        ("POST", "AmazonSQS.ReceiveMessage", "", True),  # it hides the message
        ("POST", "", "Action=DescribeVpcs&Version=2016-11-15", False),
        ("POST", "", "Action=CreateVpc&Version=2016-11-15", True),
        ("POST", "", "", True),
    ],
)
def test_only_requests_that_may_change_something_are_saved(method: str, target: str, query: str, changes: bool) -> None:
    assert gateway.changes_something(method, {"x-amz-target": target}, query) is changes


def test_a_proxy_request_becomes_a_path_and_a_host() -> None:
    scope = {
        "path": "http://env.127.0.0.1:4566/a b/c",
        "raw_path": b"http://env.127.0.0.1:4566/a%20b/c",
        "headers": [(b"host", b"127.0.0.1:4566"), (b"accept", b"*/*")],
    }
    plain = gateway.to_origin_form(scope)
    assert (plain["path"], plain["raw_path"]) == ("/a b/c", b"/a%20b/c")
    assert plain["headers"] == [(b"accept", b"*/*"), (b"host", b"env.127.0.0.1:4566")]


def test_an_object_key_that_looks_like_an_address_is_left_alone() -> None:
    scope = {"path": "/bucket/http://example.com/x", "raw_path": b"", "headers": []}
    assert gateway.to_origin_form(scope) is scope


def test_web_pages_are_turned_away() -> None:
    assert gateway.is_foreign({"origin": "https://example.com"})
    assert gateway.is_foreign({"sec-fetch-site": "cross-site"})
    assert not gateway.is_foreign({"user-agent": "curl"})


def emulator(status: int, body: bytes, *, pieces: int = 1) -> Any:
    async def answer(send: gateway.Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        size = -(-len(body) // pieces) or 1
        for number in range(pieces):
            part = body[number * size : (number + 1) * size]
            await send({"type": "http.response.body", "body": part, "more_body": number < pieces - 1})

    return answer


def ask(*emulators: Any) -> tuple[int, bytes]:
    got: list[Any] = []

    async def send(message: Any) -> None:
        got.append(message)

    asyncio.run(gateway.first_that_can(list(emulators), send))
    assert [message["type"] for message in got].count("http.response.start") == 1
    return got[0]["status"], b"".join(message.get("body", b"") for message in got)


LACKS = (400, b"<Code>InvalidAction</Code>")


def test_the_first_emulator_answers_when_it_can() -> None:
    assert ask(emulator(200, b"first"), emulator(200, b"second")) == (200, b"first")


def test_a_large_answer_is_passed_on_in_its_pieces() -> None:
    assert ask(emulator(200, b"x" * 10, pieces=5)) == (200, b"x" * 10)


def test_an_ordinary_error_is_an_answer() -> None:
    assert ask(emulator(404, b"ResourceNotFound"), emulator(200, b"invented")) == (404, b"ResourceNotFound")


def test_the_second_emulator_answers_what_the_first_lacks() -> None:
    assert ask(emulator(*LACKS, pieces=3), emulator(200, b"second")) == (200, b"second")


def test_when_both_fail_the_first_ones_answer_is_shown() -> None:
    assert ask(emulator(*LACKS), emulator(404, b"NoSuchVpc: it never saw it")) == LACKS


def ask_twice(call: str, *answers: tuple[int, bytes], at_once: bool = False) -> tuple[int, list[tuple[int, bytes]]]:
    """Send one call twice; return how often it was executed, and both answers."""
    executed = 0

    async def execute(send: gateway.Send) -> None:
        nonlocal executed
        executed += 1
        status, body = answers[min(executed, len(answers)) - 1]
        await asyncio.sleep(0.01)
        await emulator(status, body)(send)

    async def both() -> list[tuple[int, bytes]]:
        repeats, got = gateway.Repeats(), []

        async def one() -> None:
            messages: list[Any] = []

            async def send(message: Any) -> None:
                messages.append(message)

            await repeats.once(call, execute, send)
            got.append((messages[0]["status"], messages[1]["body"]))

        if at_once:
            await asyncio.gather(one(), one())
        else:
            await one()
            await one()
        return got

    answered = asyncio.run(both())
    return executed, answered


@pytest.mark.parametrize("at_once", [False, True], ids=["after its answer was lost", "before it was answered"])
def test_a_call_that_is_sent_again_is_executed_once(at_once: bool) -> None:
    made, there = (201, b"made"), (409, b"it exists already")
    assert ask_twice("id-1", made, there, at_once=at_once) == (1, [made, made])


def test_a_call_that_failed_is_executed_again() -> None:
    assert ask_twice("id-1", (500, b"no"), (200, b"yes")) == (2, [(500, b"no"), (200, b"yes")])


def test_calls_without_an_id_are_all_executed() -> None:
    assert ask_twice("", (200, b"one"), (200, b"two")) == (2, [(200, b"one"), (200, b"two")])
