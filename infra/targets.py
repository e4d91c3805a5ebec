"""What differs between the targets: endpoint, backend, account, credentials. Nothing else asks.

Drills do: where one takes place is `infra.drill.ground`.

``local``
    The local cloud. State in a file below ``.orrery``.
``aws``
    A real account, by the credentials that boto3 and Terraform find. State in S3 with native locking.
``offline``
    A plan for AWS without an account: dummy credentials, no state, no call leaves the machine.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.errors import OrreryError

NAMES = ("local", "aws")
LOCAL_ACCOUNT = "000000000000"
OFFLINE_ACCOUNT = "123456789012"
LAMBDA_PYTHON = "3.12"
"""The function runtime on AWS. Locally the emulator runs functions on its own interpreter, whatever that is."""

_DUMMY_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
_NO_ACCOUNT = {
    "skip_credentials_validation": True,
    "skip_metadata_api_check": "true",  # the provider's schema has this one as a string
    "skip_region_validation": True,
}


@dataclass(frozen=True)
class Target:
    """Where a stack goes.

    Parameters
    ----------
    name : str
        local, aws or offline.
    account_id : str
        Twelve digits.
    python : str
        Version of the function runtime, such as ``3.12``.
    machine : str
        Architecture of the functions, ``x86_64`` or ``aarch64``.
    environment : mapping
        What child processes and AWS clients get on top of this process's environment.
    region_urls : mapping
        Local only: the endpoint of each region.
    """

    name: str
    account_id: str
    python: str = LAMBDA_PYTHON
    machine: str = "x86_64"
    environment: Mapping[str, str] = field(default_factory=dict)
    region_urls: Mapping[str, str] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """Whether this is the local cloud."""
        return self.name == "local"

    @property
    def disposable(self) -> bool:
        """Whether data may go with the resources that hold it: true only on the local cloud."""
        return self.local

    def provider(self, region: str, tags: Mapping[str, str]) -> dict[str, Any]:
        """Return the AWS provider's configuration for one region."""
        settings: dict[str, Any] = {"region": region, "default_tags": [{"tags": dict(tags)}]}
        if self.name != "aws":
            settings |= _NO_ACCOUNT
        if self.name == "offline":
            settings["skip_requesting_account_id"] = True
        if self.local:
            # One try more: the emulator is next door, and a dead one should be reported at once.
            settings |= {"s3_use_path_style": True, "max_retries": 2}
        return settings

    def backend(self, stack: str, region: str) -> dict[str, Any]:
        """Return Terraform's backend block; local states lie beside the synthesised stack."""
        if self.name != "aws":
            return {"local": {"path": "terraform.tfstate"}}
        return {
            "s3": {
                "bucket": state_bucket(self.account_id, region),
                "key": f"{stack}.tfstate",
                "region": region,
                "encrypt": True,
                "use_lockfile": True,
            }
        }

    def client_settings(self, region: str) -> dict[str, Any]:
        """Return the keyword arguments of ``boto3.client`` for one region."""
        settings: dict[str, Any] = {"region_name": region}
        if self.local:
            settings |= {
                "endpoint_url": self.region_urls.get(region, self.environment["AWS_ENDPOINT_URL"]),
                "aws_access_key_id": self.environment["AWS_ACCESS_KEY_ID"],
                "aws_secret_access_key": self.environment["AWS_SECRET_ACCESS_KEY"],
            }
        return settings


def state_bucket(account_id: str, region: str) -> str:
    """Return the name of the bucket that holds the Terraform states of an account."""
    return f"orrery-state-{account_id}-{region}"


def offline() -> Target:
    """Return the target of a plan for AWS that needs no account."""
    return Target("offline", OFFLINE_ACCOUNT, environment=_DUMMY_CREDENTIALS)


def local(environment: Mapping[str, str], region_urls: Mapping[str, str]) -> Target:
    """Return the local cloud as a target; see `infra.local.Cloud` for where the two arguments come from."""
    return Target(
        "local",
        LOCAL_ACCOUNT,
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        machine="aarch64" if platform.machine() in ("aarch64", "arm64") else "x86_64",
        environment=dict(environment),
        region_urls=dict(region_urls),
    )


def aws(region: str = "us-east-1") -> Target:
    """Return the real account that the present credentials belong to.

    Parameters
    ----------
    region : str
        Where to ask; any answers the same.

    Raises
    ------
    OrreryError
        No credentials, or AWS refuses them.
    """
    import boto3  # lazy: only this target needs it here
    from botocore.exceptions import BotoCoreError, ClientError

    if os.environ.get("AWS_ENDPOINT_URL"):
        raise OrreryError(
            "TARGET=aws, but AWS_ENDPOINT_URL points somewhere else",
            next_step="unset AWS_ENDPOINT_URL, or use TARGET=local",
        )
    try:
        account = boto3.client("sts", region_name=region).get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise OrreryError(
            "TARGET=aws needs credentials, and AWS accepts none that are set",
            next_step="log in (aws sso login, or AWS_PROFILE=…), or plan without an account: make plan STACK=…",
            details=str(error),
        ) from error
    return Target("aws", account)


def check_name(name: str) -> str:
    """Return the target's name, or say which there are.

    Raises
    ------
    OrreryError
        There is no such target.
    """
    if name not in NAMES:
        raise OrreryError(f"there is no target {name!r}", next_step=f"use TARGET={' or TARGET='.join(NAMES)}")
    return name
