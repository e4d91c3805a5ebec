"""Faults in the requests of the local AWS: what a request is, and what a fault does to it.

The gateway imports it as a file, so it imports nothing from ``infra``. Faults strike only what comes through a
region's port: the main port is the operator's door.
"""

from __future__ import annotations

import asyncio
import fnmatch
import json
import re
from collections.abc import MutableMapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, parse_qsl

if TYPE_CHECKING:
    from infra.local.faults import App, Book, Connection, Receive, Running, Scope, Send

# ----------------------------------------------------------------------------------------- services

_NAMED = """acm acm-pca application-autoscaling athena autoscaling cassandra ce cloudformation cloudtrail codebuild
    codecommit codepipeline cognito-identity cognito-idp config datasync dms dynamodb ec2 ecr ecs elasticache
    elasticloadbalancing elasticmapreduce events firehose fsx glue iam kinesis kinesisanalytics kms logs memorydb
    monitoring network-firewall organizations rds redshift redshift-data redshift-serverless route53resolver sagemaker
    secretsmanager servicediscovery servicequotas ses sns sqs ssm sso states storagegateway sts swf tagging timestream
    transfer wafv2"""
NAMED = frozenset(_NAMED.split())
"""Services whose requests name their operation. Names are those that requests are signed for."""

_BY_PATH = """airflow apigateway appconfig appsync backup batch cloudfront databrew ebs eks elasticfilesystem
    emr-containers
    emr-serverless es execute-api glacier grafana iot iotdata kafka kafkaconnect lakeformation lambda-url mq pipes
    rds-data resource-groups route53 s3tables scheduler schemas securityhub xray"""
BY_PATH = frozenset(_BY_PATH.split())
"""Services whose operations are told by method and path. Unsigned: execute-api (an API), lambda-url (a function's)."""

ALIASES = {
    "apigatewayv2": "apigateway",
    "cloudwatch": "monitoring",
    "dynamodbstreams": "dynamodb",
    "efs": "elasticfilesystem",
    "elbv2": "elasticloadbalancing",
    "emr": "elasticmapreduce",
    "eventbridge": "events",
    "msk": "kafka",
    "mwaa": "airflow",
    "opensearch": "es",
    "resourcegroupstaggingapi": "tagging",
    "s3control": "s3",
    "stepfunctions": "states",
}
"""What boto3 or people call some services."""

FUNCTION = "/2015-03-31/functions"
LAMBDA = {
    ("POST", f"{FUNCTION}/*/invocations"): "Invoke",
    ("POST", "/2021-11-15/functions/*/response-streaming-invocations"): "InvokeWithResponseStream",
    ("POST", FUNCTION): "CreateFunction",
    ("GET", FUNCTION): "ListFunctions",
    ("GET", f"{FUNCTION}/*"): "GetFunction",
    ("DELETE", f"{FUNCTION}/*"): "DeleteFunction",
    ("GET", f"{FUNCTION}/*/configuration"): "GetFunctionConfiguration",
    ("PUT", f"{FUNCTION}/*/configuration"): "UpdateFunctionConfiguration",
    ("PUT", f"{FUNCTION}/*/code"): "UpdateFunctionCode",
}

S3 = {
    # method, how much of /bucket/key the path has, and what else marks the operation
    ("GET", 0, ""): "ListBuckets",
    ("PUT", 1, ""): "CreateBucket",
    ("HEAD", 1, ""): "HeadBucket",
    ("DELETE", 1, ""): "DeleteBucket",
    ("GET", 1, ""): "ListObjects",
    ("GET", 1, "list-type"): "ListObjectsV2",
    ("GET", 1, "versions"): "ListObjectVersions",
    ("GET", 1, "uploads"): "ListMultipartUploads",
    ("POST", 1, "delete"): "DeleteObjects",
    ("GET", 2, ""): "GetObject",
    ("HEAD", 2, ""): "HeadObject",
    ("PUT", 2, ""): "PutObject",
    ("PUT", 2, "x-amz-copy-source"): "CopyObject",
    ("DELETE", 2, ""): "DeleteObject",
    ("POST", 2, "uploads"): "CreateMultipartUpload",
    ("PUT", 2, "uploadId"): "UploadPart",
    ("PUT", 2, "uploadId x-amz-copy-source"): "UploadPartCopy",
    ("POST", 2, "uploadId"): "CompleteMultipartUpload",
    ("DELETE", 2, "uploadId"): "AbortMultipartUpload",
    ("GET", 2, "uploadId"): "ListParts",
}
PLAIN = re.compile(
    r"x-id|versionId|partNumber|part-number-marker|max-(?:keys|parts|uploads|buckets|directory-buckets)"
    r"|response-[\w-]+|prefix|delimiter|marker|encoding-type|continuation-token|start-after|fetch-owner"
    r"|key-marker|version-id-marker|upload-id-marker|bucket-region|X-Amz-[\w-]+",
    re.IGNORECASE,
)
"""Parameters that don't make another operation of a request."""

SERVICES = NAMED | BY_PATH | {"s3", "lambda"}
LINKS = frozenset({"replication"})
"""What tables and buckets send their writes through from region to region; see ``aws_replication.py``."""
OPERATIONS: dict[str, frozenset[str]] = {
    "s3": frozenset(S3.values()),
    "lambda": frozenset(LAMBDA.values()),
    **{name: frozenset() for name in BY_PATH},
}


def s3_operation(method: str, path: str, query: str, headers: dict[str, str]) -> str:
    """Return the operation of a request to S3, or nothing for one that has no name here."""
    if "x-amz-account-id" in headers and path.startswith("/v20180820/"):
        return ""  # S3 Control, which is signed for s3 too
    parts = path.lstrip("/").split("/", 1)
    depth = 2 if parts[1:] and parts[1] else 1 if parts[0] else 0
    if re.match(r"[^.:]+(?:\.[^.:]+)*\.s3[.-]", headers.get("host", "")):
        depth = 2 if path.strip("/") else 1
    marks = {name for name, _ in parse_qsl(query, keep_blank_values=True) if not PLAIN.fullmatch(name)}
    if method == "PUT" and depth == 2 and "x-amz-copy-source" in headers:
        marks.add("x-amz-copy-source")
    return S3.get((method, depth, " ".join(sorted(marks))), "")


def lambda_operation(method: str, path: str) -> str:
    """Return the operation of a request to Lambda, or nothing for one that has no name here."""
    depth, path = path.rstrip("/").count("/"), path.rstrip("/")
    for (wanted, pattern), name in LAMBDA.items():
        if method == wanted and pattern.count("/") == depth and fnmatch.fnmatchcase(path, pattern):
            return name
    return ""


class Request:
    """One request to the local AWS, as a fault sees it.

    Parameters
    ----------
    port : str
        The region whose port it came through.
    scope : mapping
        The ASGI scope.
    headers : dict
        By lower-case name.
    query : str
        Undecoded.
    signed : tuple, optional
        The region and the service that it was signed for.
    """

    def __init__(
        self, port: str, scope: Scope, headers: dict[str, str], query: str, signed: tuple[str, str] | None
    ) -> None:
        self.port = port
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.headers = headers
        self.query = query
        self.region = (signed and signed[0]) or port
        self.service = signed[1] if signed else self._unsigned_service()
        self.form = b""

    def _unsigned_service(self) -> str:
        where = f"{self.headers.get('host', '')} {self.path[:20]}"
        return next((name for name in ("execute-api", "lambda-url") if name in where), "")

    @property
    def is_form(self) -> bool:
        """Tell whether its body names the operation: the query protocol."""
        return self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")

    @cached_property
    def operation(self) -> str:
        """The operation's name, or nothing where it has none here."""
        if self.service == "s3":
            return s3_operation(self.method, self.path, self.query, self.headers)
        if self.service == "lambda":
            return lambda_operation(self.method, self.path)
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        cbor = re.fullmatch(r"/service/[^/]+/operation/([^/]+)", self.path)
        form = parse_qs(f"{self.query}&{self.form.decode('latin-1')}").get("Action", [""])[0] if not target else ""
        return target or (cbor[1] if cbor else form)

    def does(self, operation: str) -> bool:
        """Tell whether it is an operation, by name or by a pattern of method and path."""
        if " " in operation:
            return fnmatch.fnmatchcase(f"{self.method} {self.path}", operation)
        return self.operation == operation


# ---------------------------------------------------------------------------------- what they do


async def answered(
    book: Book, request: Request, app: App, scope: Scope, receive: Receive, send: Send, connection: Connection
) -> None:
    """Let an application answer a request, as far as the faults that are set let it."""
    if request.is_form and any(running.fault.operation for running in book.active):
        receive = again(await whole(receive, request), receive)
    struck = book.hits(request)
    first = {running.fault.kind: running for running in reversed(struck)}
    if "refuse" in first:  # of the region that it is for; that region's own port does not listen
        connection.reset()
        return
    for running in struck:
        if running.fault.kind == "delay":
            await running.delay()
    if "hang" in first:
        await hang(first["hang"], receive)
        connection.reset()
        return
    if "error" in first:
        await whole(receive)
        await fail(first["error"], request, send)
        return
    if "throttle" in first:
        receive, send = slow(first["throttle"], receive, send)
    drops = [running.fault.after_bytes for running in struck if running.fault.kind == "drop"]
    await app(scope, receive, cut(min(drops), send, connection) if drops else send)


async def whole(receive: Receive, request: Request | None = None) -> list[MutableMapping[str, Any]]:
    """Read all messages of a request's body, into the request where there is one."""
    messages = []
    while True:
        messages.append(await receive())
        if request:
            request.form += messages[-1].get("body", b"")
        if not messages[-1].get("more_body"):
            return messages


def again(messages: Sequence[MutableMapping[str, Any]], receive: Receive) -> Receive:
    """Return a ``receive`` that gives messages that were read before, and then what comes."""
    left = list(messages)

    async def replayed() -> MutableMapping[str, Any]:
        return left.pop(0) if left else await receive()

    return replayed


async def hang(running: Running, receive: Receive) -> None:
    """Take the request and never answer, until the client leaves or the fault ends."""

    async def left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    waits = {asyncio.ensure_future(left()), asyncio.ensure_future(running.ended.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


def slow(running: Running, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return ``receive`` and ``send`` whose bodies pass as fast as the bandwidth lets them."""

    async def throttled_receive() -> MutableMapping[str, Any]:
        message = await receive()
        await running.throttled(message.get("body", b""), "in", nothing)
        return message

    async def throttled_send(message: MutableMapping[str, Any]) -> None:
        body = message.get("body", b"")
        if not body:
            await send(message)
            return

        async def piece(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        await running.throttled(body, "out", piece)
        await send({**message, "body": b""})

    return throttled_receive, throttled_send


async def nothing(data: bytes) -> None:
    """Take bytes that go nowhere."""


def cut(after: int, send: Send, connection: Connection) -> Send:
    """Return a ``send`` that resets the connection when so many bytes of the body were sent.

    After 0 bytes not even the status is sent: the call was executed, and its answer is lost.
    """
    left, broken = after, False

    async def until_then(message: MutableMapping[str, Any]) -> None:
        nonlocal left, broken
        if broken:
            return
        body = message.get("body", b"")
        if len(body) > left or (after == 0 and message["type"] == "http.response.start"):
            broken = True
            if left:
                await send({**message, "body": body[:left], "more_body": True})
            await connection.delivered()
            connection.reset()
            return
        left -= len(body)
        await send(message)

    return until_then


# ------------------------------------------------------------------------------------------- errors

CODES = {
    400: "BadRequest",
    403: "AccessDenied",
    404: "NotFound",
    429: "ThrottlingException",
    500: "InternalFailure",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
MESSAGE = "A fault that was set on purpose: ./orrery fault list"


async def fail(running: Running, request: Request, send: Send) -> None:
    """Answer with an error, as the service writes its errors."""
    status = running.fault.status
    usual = "InternalError" if (request.service, status) == ("s3", 500) else CODES.get(status, "ServiceFailure")
    kind, body = error_body(request, running.fault.code or usual)
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if kind == b"application/cbor":
        headers.append((b"smithy-protocol", b"rpc-v2-cbor"))
    elif b"json" in kind and request.service not in ("execute-api", "lambda-url", ""):
        headers.append((b"x-amzn-errortype", (running.fault.code or usual).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def error_body(request: Request, code: str) -> tuple[bytes, bytes]:
    """Return an error's content type and body in the protocol that a request speaks."""
    detail = f"<Code>{code}</Code><Message>{MESSAGE}</Message>"
    if request.service == "s3":
        return xml(f"<Error>{detail}<RequestId>fault</RequestId></Error>")
    if request.service == "ec2":
        return xml(f"<Response><Errors><Error>{detail}</Error></Errors><RequestID>fault</RequestID></Response>")
    if request.is_form or request.service in ("cloudfront", "route53") or "Action=" in request.query:
        error = f"<Error><Type>Receiver</Type>{detail}</Error><RequestId>fault</RequestId>"
        return xml(f"<ErrorResponse>{error}</ErrorResponse>")
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return b"application/cbor", b"\xa2" + b"".join(map(cbor, ("__type", code, "message", MESSAGE)))
    if request.service in ("execute-api", "lambda-url", ""):
        return b"application/json", json.dumps({"message": code}).encode()
    kind = b"application/x-amz-json-1.0" if "x-amz-target" in request.headers else b"application/json"
    return kind, json.dumps({"__type": code, "message": MESSAGE}).encode()


def xml(text: str) -> tuple[bytes, bytes]:
    """Return an XML document with its content type."""
    return b"text/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


def cbor(text: str) -> bytes:
    """Return a text of up to 255 bytes in CBOR."""
    data = text.encode()
    return bytes([0x78, len(data)]) + data
