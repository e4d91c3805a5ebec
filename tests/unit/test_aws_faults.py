"""Which request a fault meets, as boto3 sends it; what each kind does to it; errors as boto3 reads them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.parsers import create_parser

from infra.local import aws_faults, aws_gateway
from infra.local.aws_faults import OPERATIONS, Request
from infra.local.fault_client import AWS
from infra.local.faults import Book, Fault, Latency

SIGNED = ("eu-west-1", "dynamodb")


def smallest(shape: Any) -> Any:
    """Return the smallest value that botocore sends for a shape."""
    if shape.type_name == "structure":
        return {name: smallest(shape.members[name]) for name in shape.required_members}
    values = {"integer": 1, "long": 1, "boolean": True, "list": [], "map": {}, "blob": b"x", "timestamp": 0}
    return values.get(shape.type_name, (shape.enum[0] if getattr(shape, "enum", None) else "name-0123456"))


class Sent(Exception):
    """What would have been sent."""


def sent(service: str, operation: str, **more: Any) -> Request:
    """Return the request of an operation as the gateway gets it from boto3."""
    client: Any = boto3.client(  # type: ignore[call-overload]  # its stubs want literal names
        service,
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(s3={"addressing_style": "path"}, parameter_validation=False, proxies={}),
    )

    def grab(request: Any, **_: Any) -> None:
        raise Sent(request)

    client.meta.events.register("before-send", grab)
    model = client.meta.service_model.operation_model(operation)
    parameters = smallest(model.input_shape) if model.input_shape else {}
    with pytest.raises(Sent) as caught:
        client._make_api_call(operation, parameters | more)
    request = caught.value.args[0]
    url = urlsplit(request.url)
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value)
        for name, value in request.headers.items()
    }
    scope = {"method": request.method, "path": url.path}
    made = Request("eu-west-1", scope, headers, url.query, aws_gateway.credential_scope(headers, url.query))
    if made.is_form:
        made.form = request.body if isinstance(request.body, bytes) else str(request.body).encode()
    return made


def operations(service: str) -> list[str]:
    return list(botocore.session.get_session().get_service_model(service).operation_names)


@pytest.mark.parametrize("service", ["s3", "lambda"])
def test_each_operation_that_has_a_name_is_known_by_it_and_no_other_is_taken_for_one(service: str) -> None:
    seen = {}
    for operation in operations(service):
        try:
            seen[operation] = sent(service, operation).operation
        except (KeyError, TypeError, AttributeError):
            continue  # parameters that only mean something together
    named = OPERATIONS[service]
    assert named <= set(seen), "every name was tried"
    assert len(seen) > 0.8 * len(operations(service))
    assert seen == {operation: operation if operation in named else "" for operation in seen}


@pytest.mark.parametrize(
    ("service", "operation", "signed"),
    [
        ("dynamodb", "GetItem", "dynamodb"),
        ("sqs", "SendMessage", "sqs"),
        ("sns", "Publish", "sns"),
        ("iam", "GetRole", "iam"),
        ("ec2", "DescribeVpcs", "ec2"),
        ("cloudwatch", "PutMetricData", "monitoring"),
        ("stepfunctions", "StartExecution", "states"),
    ],
)
def test_operations_are_told_in_every_protocol(service: str, operation: str, signed: str) -> None:
    request = sent(service, operation)
    assert (request.service, request.operation) == (signed, operation)
    assert Fault("hang", service=signed, operation=operation).meets(request)
    assert not Fault("hang", service=signed, operation="Other").meets(request)


def test_every_service_is_one_that_requests_are_signed_for() -> None:
    session = botocore.session.get_session()
    names = session.get_available_services()
    signing = {session.get_service_model(name).signing_name for name in names}
    assert aws_faults.SERVICES - signing == {"lambda-url"}
    assert set(aws_faults.ALIASES.values()) <= aws_faults.SERVICES


def request(port: str = "eu-west-1", signed: tuple[str, str] | None = SIGNED, **more: Any) -> Request:
    headers = {"x-amz-target": "DynamoDB_20120810.GetItem"} | more.get("headers", {})
    scope = {"method": more.get("method", "POST"), "path": more.get("path", "/")}
    return Request(port, scope, headers, more.get("query", ""), signed)


@pytest.mark.parametrize(
    ("fault", "through_its_port", "through_another", "for_another"),
    [
        (Fault("hang"), True, True, True),
        (Fault("hang", "eu-west-1"), True, True, True),
        (Fault("hang", "us-east-1"), False, True, True),
        (Fault("hang", "us-west-2"), False, False, False),
        (Fault("hang", "eu-west-1", "dynamodb"), True, True, False),
        (Fault("hang", "us-east-1", "dynamodb"), False, False, True),
        (Fault("hang", "eu-west-1", "s3"), False, False, False),
        (Fault("hang", "", "dynamodb", "GetItem"), True, True, True),
        (Fault("hang", "", "dynamodb", "PutItem"), False, False, False),
        (Fault("hang", "", "", "POST /*"), True, True, True),
        (Fault("hang", "", "", "GET /*"), False, False, False),
    ],
    ids=str,
)
def test_a_service_is_struck_where_it_is_and_a_region_at_its_door(
    fault: Fault, through_its_port: bool, through_another: bool, for_another: bool
) -> None:
    assert fault.meets(request()) is through_its_port
    assert fault.meets(request("us-east-1")) is through_another
    assert fault.meets(request("eu-west-1", ("us-east-1", "dynamodb"))) is for_another


def test_what_is_deployed_is_known_by_its_address() -> None:
    api = request(signed=None, method="GET", path="/users/ada", headers={"host": "ab12.execute-api.localhost:4570"})
    assert (api.region, api.service) == ("eu-west-1", "execute-api")
    assert Fault("hang", "eu-west-1", "execute-api", "GET /users/*").meets(api)
    assert request(signed=None, path="/_aws/lambda-url/x/").service == "lambda-url"
    assert request(signed=None).service == ""


# ---------------------------------------------------------------------------------- what they do


class Wire:
    """A connection that notes what became of it, and a client behind it."""

    def __init__(self, body: bytes = b"asked") -> None:
        self.messages: list[dict[str, Any]] = []
        self.was_reset = False
        self.left = asyncio.Event()
        self.executed: list[bytes] = []
        pieces = [body[start : start + 4] for start in range(0, len(body), 4)] or [b""]
        self.requests: Iterator[dict[str, Any]] = iter(
            [
                {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
                for number, piece in enumerate(pieces)
            ]
        )

    def reset(self) -> None:
        self.was_reset = True

    async def delivered(self) -> None:
        pass

    async def receive(self) -> dict[str, Any]:
        for message in self.requests:
            return message
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        assert not self.was_reset
        self.messages.append(message)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.executed.append(b"".join([message.get("body", b"") for message in await aws_faults.whole(receive)]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"0123456789", "more_body": True})
        await send({"type": "http.response.body", "body": b"abcdef"})

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)

    @property
    def complete(self) -> bool:
        return bool(self.messages) and not self.messages[-1].get("more_body")


def strike(*wanted: Fault, wire: Wire | None = None, asked: Request | None = None) -> tuple[Wire, float]:
    """Send one request through faults; return what became of it, and how long it took."""

    async def run() -> tuple[Wire, float]:
        on, book = wire or Wire(), Book(AWS)
        await book.put("test", wanted)
        started = time.monotonic()
        one = asked or request()
        await asyncio.wait_for(
            aws_faults.answered(book, one, on.app, {}, on.receive, on.send, on),  # type: ignore[arg-type]  # a stand-in
            10,
        )
        return on, time.monotonic() - started

    return asyncio.run(run())


def test_without_a_fault_that_meets_it_a_request_is_answered_as_ever() -> None:
    wire, _ = strike(Fault("hang", "us-east-1", "s3"), Fault("error", operation="PutItem"))
    assert (wire.status, wire.body, wire.executed, wire.was_reset) == (200, b"0123456789abcdef", [b"asked"], False)


def test_an_error_is_answered_and_nothing_executed() -> None:
    wire, _ = strike(Fault("error", status=503))
    assert wire.status == 503 and wire.executed == [] and wire.complete
    assert next(wire.requests, None) is None, "the body was read: the client is not cut off while it sends"


def test_a_delay_comes_before_the_call_is_executed() -> None:
    wire, seconds = strike(
        Fault("delay", latency=Latency("constant", 120)), Fault("delay", latency=Latency("constant", 80))
    )
    assert 0.2 <= seconds < 1 and wire.body == b"0123456789abcdef"


def test_a_slow_error_is_a_delay_and_an_error() -> None:
    wire, seconds = strike(Fault("error"), Fault("delay", latency=Latency("constant", 100)))
    assert wire.status == 503 and seconds >= 0.1


@pytest.mark.parametrize(
    ("after", "status", "body", "broken"),
    [
        (0, 0, b"", True),
        (4, 200, b"0123", True),
        (12, 200, b"0123456789ab", True),
        (16, 200, b"0123456789abcdef", False),
    ],
)
def test_a_drop_resets_after_so_many_bytes_of_a_call_that_was_executed(
    after: int, status: int, body: bytes, broken: bool
) -> None:
    wire, _ = strike(Fault("drop", after_bytes=after))
    assert (wire.status, wire.body, wire.was_reset, wire.complete) == (status, body, broken, not broken)
    assert wire.executed == [b"asked"]


def test_a_throttle_slows_the_bodies_of_both_ways() -> None:
    wire, seconds = strike(Fault("throttle", bytes_per_s=40), wire=Wire(b"x" * 8))
    assert wire.body == b"0123456789abcdef" and wire.executed == [b"x" * 8] and wire.complete
    assert 0.6 <= seconds < 2


def test_hanging_ends_when_the_client_leaves_or_the_fault_ends() -> None:
    async def run(leaves: bool) -> Wire:
        wire, book = Wire(), Book(AWS)
        await book.put("test", [Fault("hang")])
        going = asyncio.create_task(
            aws_faults.answered(book, request(), wire.app, {}, wire.receive, wire.send, wire)  # type: ignore[arg-type]  # a stand-in
        )
        assert not (await asyncio.wait({going}, timeout=0.1))[0]
        wire.left.set() if leaves else await book.clear()
        await asyncio.wait_for(going, 5)
        return wire

    for leaves in (True, False):
        wire = asyncio.run(run(leaves))
        assert wire.was_reset and wire.messages == [] and wire.executed == []


def test_a_region_that_refuses_cannot_be_reached_through_anothers_port() -> None:
    wire, _ = strike(Fault("refuse", "eu-west-1"), asked=request("us-east-1"))
    assert wire.was_reset and wire.executed == []


def test_a_form_is_read_for_its_operation_and_handed_on_whole() -> None:
    form = {"headers": {"content-type": "application/x-www-form-urlencoded; charset=utf-8", "x-amz-target": ""}}
    body = b"Action=Publish&Message=x"
    publish = Fault("error", service="sns", operation="Publish")
    struck, _ = strike(publish, wire=Wire(body), asked=request(signed=("eu-west-1", "sns"), **form))
    assert struck.status == 503
    other = Fault("error", service="sns", operation="Subscribe")
    spared, _ = strike(other, wire=Wire(body), asked=request(signed=("eu-west-1", "sns"), **form))
    assert spared.status == 200 and spared.executed == [body]


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("service", "operation"),
    [
        ("dynamodb", "GetItem"),
        ("sqs", "SendMessage"),
        ("sns", "Publish"),
        ("ec2", "DescribeVpcs"),
        ("s3", "GetObject"),
        ("route53", "ListHostedZones"),
        ("lambda", "Invoke"),
        ("cloudwatch", "PutMetricData"),
    ],
)
def test_boto3_reads_the_error_in_the_services_own_protocol(service: str, operation: str) -> None:
    wire, _ = strike(Fault("error", status=429, code="SlowDown"), asked=sent(service, operation))
    client = botocore.session.get_session().create_client(service, region_name="eu-west-1")
    model = client.meta.service_model
    answer = {
        "status_code": wire.status,
        "headers": {name.decode(): value.decode() for name, value in wire.messages[0]["headers"]},
        "body": wire.body,
    }
    shape = model.operation_model(operation).output_shape
    parsed = create_parser(model.resolved_protocol).parse(answer, shape)
    assert parsed["Error"]["Code"] == "SlowDown"
    assert "on purpose" in parsed["Error"]["Message"]


def test_an_api_fails_as_api_gateway_does() -> None:
    wire, _ = strike(Fault("error", status=502), asked=request(signed=("eu-west-1", "execute-api")))
    assert wire.body == b'{"message": "BadGateway"}'
