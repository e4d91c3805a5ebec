"""Roles and their policies: whoever isn't the account's root may do what is granted, and nothing else."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import (
    ACCOUNT,
    LocalAws,
    allow,
    deny,
    policy,
    refused,
    trusting,
    works_now,
)

pytestmark = pytest.mark.e2e


def test_a_role_is_assumed_by_those_whom_it_trusts_and_signs_with_what_it_was_given(aws: LocalAws, name: str) -> None:
    iam, sts = aws.client("iam"), aws.client("sts")
    friend = aws.role(f"{name}-friend", allow("sts:AssumeRole"))
    stranger = aws.role(f"{name}-stranger", allow("sts:AssumeRole"))
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=trusting({"AWS": friend}))
    wanted = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}", "RoleSessionName": "probe"}
    assert not refused(lambda: aws.client("sts", credentials=aws.assume(friend)).assume_role(**wanted))
    assert refused(lambda: aws.client("sts", credentials=aws.assume(stranger)).assume_role(**wanted))
    assert refused(lambda: sts.assume_role(**wanted))
    forged = {**aws.assume(friend), "aws_secret_access_key": "guessed"}
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        aws.client("s3", credentials=forged).list_buckets()


def test_a_role_that_wants_an_external_id_is_assumed_with_it_alone(aws: LocalAws, name: str) -> None:
    friend = aws.role(f"{name}-friend", allow("sts:AssumeRole"))
    trust = json.loads(trusting({"AWS": friend}))
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "ours"}}
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    wanted = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}", "RoleSessionName": "probe"}
    sts = aws.client("sts", credentials=aws.assume(friend))
    assert not refused(lambda: sts.assume_role(**wanted, ExternalId="ours"))
    assert refused(lambda: sts.assume_role(**wanted, ExternalId="another's"))
    assert refused(lambda: sts.assume_role(**wanted))


def test_the_accounts_root_may_assume_a_services_role(aws: LocalAws, name: str) -> None:
    """On AWS only the service may. The probes of functions' grants rest on this."""
    role = aws.role(name, service="lambda")
    works_now(refused(lambda: aws.assume(role)), "only the service assumes its role")


def test_a_role_may_do_what_its_policies_allow_and_none_denies(aws: LocalAws, name: str) -> None:
    aws.client("s3").create_bucket(Bucket=name)
    objects = f"arn:aws:s3:::{name}/in/*"
    role = aws.role(name, allow("s3:PutObject", on=objects), deny("s3:PutObject", on=f"{objects[:-1]}secret"))
    s3 = aws.client("s3", credentials=aws.assume(role))

    def may_put(key: str) -> bool:
        return not refused(lambda: s3.put_object(Bucket=name, Key=key, Body=b"v"))

    assert may_put("in/a")
    assert not may_put("in/secret")
    assert not may_put("out/a")
    assert refused(lambda: s3.get_object(Bucket=name, Key="in/a"))
    assert refused(lambda: aws.client("iam", credentials=aws.assume(role)).list_roles())
    aws.client("iam").put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=policy(allow("s3:GetObject")))
    assert not may_put("in/a")
    assert not refused(lambda: s3.get_object(Bucket=name, Key="in/a"))


def test_a_condition_decides(aws: LocalAws, name: str) -> None:
    key = aws.key()
    through_s3 = {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    role = aws.role(name, allow("kms:GenerateDataKey", Condition=through_s3), allow("kms:Encrypt"))
    kms = aws.client("kms", credentials=aws.assume(role))
    assert not refused(lambda: kms.encrypt(KeyId=key, Plaintext=b"x"))
    assert refused(lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"))


def test_services_that_only_moto_has_check_no_policy(aws: LocalAws, name: str) -> None:
    role = aws.assume(aws.role(name, deny("redshift:*")))
    denied = refused(lambda: aws.client("redshift", credentials=role).describe_clusters())
    works_now(denied, "the services of moto check policies")
