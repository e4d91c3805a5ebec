"""What differs between the targets, and the bucket that keeps the states of a real account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from infra import bootstrap, targets
from infra.errors import OrreryError
from infra.output import Ui

REGIONS = ["us-east-1", "eu-west-1"]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An AWS account in this process."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    with mock_aws():
        yield "123456789012"


def s3(region: str = "us-east-1") -> Any:
    return boto3.client("s3", region_name=region)


@pytest.mark.parametrize("region", REGIONS)
def test_the_state_bucket_is_versioned_encrypted_private_and_tls_only(account: str, region: str) -> None:
    name = bootstrap.bootstrap(account, region, Ui())
    assert name == f"orrery-state-{account}-{region}"
    client = s3(region)
    assert client.get_bucket_location(Bucket=name)["LocationConstraint"] == (None if region == "us-east-1" else region)
    assert client.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    (rule,) = client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert all(client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    (statement,) = json.loads(client.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]


def everything(name: str) -> list[Any]:
    client = s3()
    return [
        client.get_bucket_versioning(Bucket=name)["Status"],
        client.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"],
        client.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
        client.get_bucket_policy(Bucket=name)["Policy"],
        [bucket["Name"] for bucket in client.list_buckets()["Buckets"]],
    ]


def test_a_second_bootstrap_changes_nothing(account: str) -> None:
    name = targets.state_bucket(account, "us-east-1")
    s3().create_bucket(Bucket=name)
    s3().put_object(Bucket=name, Key="14-blackhole.tfstate", Body=b"a state")
    bootstrap.bootstrap(account, "us-east-1", Ui())
    before = everything(name)
    assert bootstrap.bootstrap(account, "us-east-1", Ui()) == name
    assert everything(name) == before
    s3().delete_bucket_policy(Bucket=name)  # moto denies whatever the condition says
    assert s3().get_object(Bucket=name, Key="14-blackhole.tfstate")["Body"].read() == b"a state"


def test_bootstrap_mends_what_somebody_opened(account: str) -> None:
    name = bootstrap.bootstrap(account, "us-east-1", Ui())
    s3().delete_public_access_block(Bucket=name)
    s3().delete_bucket_policy(Bucket=name)
    bootstrap.bootstrap(account, "us-east-1", Ui())
    assert all(s3().get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values())
    assert "TlsOnly" in s3().get_bucket_policy(Bucket=name)["Policy"]


def test_a_bucket_that_may_not_be_made_is_one_line(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "CreateBucket")

    monkeypatch.setattr(bootstrap, "_create", denied)
    with pytest.raises(OrreryError) as caught:
        bootstrap.bootstrap(account, "us-east-1", Ui())
    assert "could not set up the state bucket" in caught.value.what and "\n" not in caught.value.what
    assert "s3:CreateBucket" in caught.value.next_step


def test_the_real_target_is_the_account_of_the_credentials(account: str) -> None:
    target = targets.aws()
    assert (target.name, target.account_id, target.local, target.disposable) == ("aws", account, False, False)


def test_without_credentials_the_real_target_is_one_clear_line() -> None:
    with pytest.raises(OrreryError) as caught:
        targets.aws()
    assert caught.value.what == "TARGET=aws needs credentials, and AWS accepts none that are set"
    assert "make plan" in caught.value.next_step


def test_a_redirected_endpoint_is_not_taken_for_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    with pytest.raises(OrreryError) as caught:
        targets.aws()
    assert "AWS_ENDPOINT_URL" in caught.value.what and "unset" in caught.value.next_step


def test_an_unknown_target_lists_those_that_exist() -> None:
    assert [targets.check_name(name) for name in targets.NAMES] == ["local", "aws"]
    with pytest.raises(OrreryError) as caught:
        targets.check_name("lokal")
    assert caught.value.what == "there is no target 'lokal'"
    assert "TARGET=local or TARGET=aws" in caught.value.next_step


def test_states_lie_beside_the_stack_or_locked_and_encrypted_in_s3() -> None:
    assert targets.offline().backend("14-blackhole", "us-east-1") == {"local": {"path": "terraform.tfstate"}}
    kept = targets.Target("aws", "210987654321").backend("14-blackhole", "eu-west-1")["s3"]
    assert kept == {
        "bucket": "orrery-state-210987654321-eu-west-1",
        "key": "14-blackhole.tfstate",
        "region": "eu-west-1",
        "encrypt": True,
        "use_lockfile": True,
    }


def test_only_the_real_target_checks_the_account() -> None:
    real = targets.Target("aws", "210987654321").provider("us-east-1", {})
    assert real == {"region": "us-east-1", "default_tags": [{"tags": {}}]}
    assert targets.offline().provider("us-east-1", {})["skip_credentials_validation"] is True


def test_a_local_client_goes_through_its_regions_own_port() -> None:
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    target = targets.local(environment, {"eu-west-1": "http://127.0.0.1:2"})
    assert target.client_settings("eu-west-1")["endpoint_url"] == "http://127.0.0.1:2"
    assert target.client_settings("ap-south-1")["endpoint_url"] == "http://127.0.0.1:1"
    assert targets.Target("aws", "2").client_settings("eu-west-1") == {"region_name": "eu-west-1"}
