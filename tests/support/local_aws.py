"""The local AWS as tests use it: clients, roles, functions, queues, and waiting for what happens beside a call."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local import Cloud

HERE, THERE = "us-east-1", "eu-west-1"
ACCOUNT = "000000000000"
REFUSALS = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"}
"""How the services of AWS call a call that no policy allows."""

Statement = dict[str, Any]
Credentials = Mapping[str, str]


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.05)
    return value


def never(condition: Callable[[], Any], seconds: float, what: str) -> None:
    """Watch for a while that something that AWS does still does not happen; see `works_now`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        works_now(condition(), what)
        time.sleep(0.1)


def works_now(seen: Any, what: str) -> None:
    """Fail when the local AWS does what infra/ledger.toml says that it does not."""
    assert not seen, f"{what} ({seen!r}): it works now, so raise the claim in infra/ledger.toml"


def failure(call: Callable[[], Any]) -> str:
    """Return with which code a call fails, or nothing when it doesn't."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return ""


def refused(call: Callable[[], Any]) -> bool:
    """Return whether a call is denied; it must not fail otherwise."""
    code = failure(call)
    assert not code or code in REFUSALS, code
    return bool(code)


def allow(*actions: str, on: str | list[str] = "*", **more: Any) -> Statement:
    """Return a policy's statement that allows actions; ``more`` adds elements such as Principal, Condition."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": on, **more}


def deny(*actions: str, on: str | list[str] = "*", **more: Any) -> Statement:
    """Return a policy's statement that denies actions; see `allow`."""
    return {**allow(*actions, on=on, **more), "Effect": "Deny"}


def policy(*statements: Statement) -> str:
    """Return a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusting(principal: Any) -> str:
    """Return the trust policy of a role that a principal may assume."""
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


@dataclass(frozen=True)
class Queue:
    """A queue of the local AWS."""

    url: str
    arn: str


@dataclass(frozen=True)
class LocalAws:
    """One local cloud's AWS, as the account's root or as one of its roles."""

    cloud: Cloud

    def client(self, service: str, region: str = HERE, credentials: Credentials | None = None) -> Any:
        """Return a client, as the account's root unless credentials say otherwise."""
        facts = self.cloud.aws_environment(region)
        root = {
            "aws_access_key_id": facts["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": facts["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=facts["AWS_ENDPOINT_URL"],
            config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}, proxies={}),
            **(credentials or root),
        )

    def role(self, name: str, *statements: Statement, service: str = "lambda") -> str:
        """Make a role that a service may assume, with these grants; one that is there gets them instead of its own."""
        iam = self.client("iam")
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting({"Service": f"{service}.amazonaws.com"}))
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=policy(*statements))
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def assume(self, role: str) -> Credentials:
        """Return temporary credentials of a role."""
        given = self.client("sts").assume_role(RoleArn=role, RoleSessionName="probe")["Credentials"]
        return {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        }

    def function(self, name: str, code: str, role: str, region: str = HERE, **settings: Any) -> str:
        """Make a function of one file whose entry is ``handler``."""
        source = settings.pop("Code", {"ZipFile": zipped(code)})
        made = self.client("lambda", region).create_function(
            FunctionName=name, Runtime="python3.12", Handler="main.handler", Role=role, Code=source, **settings
        )
        return str(made["FunctionArn"])

    def call(self, name: str, payload: Any = None, region: str = HERE) -> Any:
        """Call a function and return its answer, which for one that failed is Lambda's description of the error."""
        answer = self.client("lambda", region).invoke(FunctionName=name, Payload=json.dumps(payload or {}).encode())
        return json.loads(answer["Payload"].read())

    def said(self, function: str, words: str) -> list[str]:
        """Return the lines of a function's log that hold some words."""
        logs = self.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return []
        return [each["message"] for each in events if words in each["message"]]

    def queue(self, name: str, **attributes: str) -> Queue:
        """Make a queue."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        return Queue(url, found["QueueArn"])

    def open_queue(self, name: str, service: str) -> Queue:
        """Make a queue whose policy lets a service send to it."""
        principal = {"Service": f"{service}.amazonaws.com"}
        return self.queue(name, Policy=policy(allow("sqs:SendMessage", Principal=principal)))

    def received(self, queue: Queue) -> list[str]:
        """Take what waits in a queue."""
        found = self.client("sqs").receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get("Messages", [])
        return [each["Body"] for each in found]

    def message(self, queue: Queue, seconds: float = 20, what: str = "") -> str:
        """Wait for a queue's next message; ``what`` says what it means when there is none."""
        return str(until(lambda: self.received(queue), seconds, what or f"a message in {queue.arn}")[0])

    def key(self, **settings: Any) -> str:
        """Make a KMS key and return its id."""
        return str(self.client("kms").create_key(**settings)["KeyMetadata"]["KeyId"])


def zipped(code: str) -> bytes:
    """Return the package of a function that is one file, ``main.py``."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("main.py", code)
    return archive.getvalue()
