"""Buckets: what is kept, copied, told, refused; and what is only written down."""

from __future__ import annotations

import http.client
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import (
    HERE,
    THERE,
    LocalAws,
    allow,
    deny,
    failure,
    policy,
    refused,
    until,
    works_now,
    zipped,
)

pytestmark = pytest.mark.e2e

BLOCKED = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    return aws.client("s3")


@pytest.fixture
def bucket(s3: Any, name: str) -> str:
    s3.create_bucket(Bucket=name)
    return name


def read(s3: Any, bucket: str, key: str) -> bytes:
    """Return an object, or nothing when it isn't there."""
    try:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    except s3.exceptions.NoSuchKey:
        return b""


def anonymous(aws: LocalAws, path: str) -> int:
    """Return the status that somebody without credentials gets."""
    there = urlsplit(aws.cloud.endpoint("aws").url)
    connection = http.client.HTTPConnection(there.hostname or "", there.port, timeout=10)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


def anyone_reads(bucket: str) -> str:
    return policy(allow("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", Principal="*"))


def test_a_bucket_keeps_its_objects_and_does_not_go_while_it_holds_some(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b/ü", Body=b"x" * 3_000_000)
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["a b/ü"]
    assert len(read(s3, bucket, "a b/ü")) == 3_000_000
    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket=bucket)


def test_a_version_that_was_replaced_or_deleted_can_be_read(s3: Any, bucket: str) -> None:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2")["VersionId"]
    s3.delete_object(Bucket=bucket, Key="k")
    assert read(s3, bucket, "k") == b""
    for version, body in ((first, b"1"), (second, b"2")):
        assert s3.get_object(Bucket=bucket, Key="k", VersionId=version)["Body"].read() == body


def test_a_function_can_be_made_of_an_object(aws: LocalAws, s3: Any, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket, Key="package.zip", Body=zipped("def handler(event, context): return 'from the object'")
    )
    code = {"S3Bucket": bucket, "S3Key": "package.zip"}
    aws.function(bucket, "", aws.role(bucket), Code=code)
    assert aws.call(bucket) == "from the object"


# ------------------------------------------------------------------------------------------------ who may


def test_what_a_buckets_policy_denies_is_denied(aws: LocalAws, s3: Any, bucket: str) -> None:
    role = aws.client("s3", credentials=aws.assume(aws.role(bucket, allow("s3:*"))))
    role.put_object(Bucket=bucket, Key="k", Body=b"v")
    s3.put_bucket_policy(
        Bucket=bucket, Policy=policy(deny("s3:GetObject", on=f"arn:aws:s3:::{bucket}/*", Principal="*"))
    )
    assert refused(lambda: role.get_object(Bucket=bucket, Key="k"))
    assert not refused(lambda: role.put_object(Bucket=bucket, Key="k", Body=b"v"))


def test_a_buckets_policy_does_not_bind_the_accounts_root(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny("s3:*", on=f"arn:aws:s3:::{bucket}/*", Principal="*")))
    works_now(refused(lambda: s3.get_object(Bucket=bucket, Key="k")), "root is denied by a bucket's policy")


def test_plain_http_counts_as_tls(aws: LocalAws, s3: Any, bucket: str) -> None:
    role = aws.client("s3", credentials=aws.assume(aws.role(bucket, allow("s3:*"))))
    role.put_object(Bucket=bucket, Key="k", Body=b"v")
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    s3.put_bucket_policy(
        Bucket=bucket,
        Policy=policy(deny("s3:*", on=f"arn:aws:s3:::{bucket}/*", Principal="*", Condition=plain)),
    )
    works_now(refused(lambda: role.get_object(Bucket=bucket, Key="k")), "a request over plain HTTP is denied")


def test_a_bucket_that_blocks_the_public_takes_no_public_policy_and_serves_nobody(
    aws: LocalAws, s3: Any, bucket: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)
    assert refused(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=anyone_reads(bucket)))
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(BLOCKED, False))
    s3.put_bucket_policy(Bucket=bucket, Policy=anyone_reads(bucket))
    assert anonymous(aws, f"/{bucket}/k") == 200
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=BLOCKED)
    assert anonymous(aws, f"/{bucket}/k") == 403


def test_a_bucket_whose_owner_owns_all_takes_no_acl(s3: Any, bucket: str) -> None:
    def own(how: str) -> None:
        s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": how}]})

    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(BLOCKED, False))
    own("ObjectWriter")
    s3.put_object(Bucket=bucket, Key="k", Body=b"v", ACL="public-read")
    own("BucketOwnerEnforced")
    with pytest.raises(ClientError, match="AccessControlListNotSupported"):
        s3.put_object(Bucket=bucket, Key="k", Body=b"v", ACL="public-read")


# -------------------------------------------------------------------------------------------- beside a call


def test_a_bucket_tells_a_function_and_a_queue_about_the_objects_that_they_asked_for(
    aws: LocalAws, s3: Any, bucket: str
) -> None:
    heard = aws.open_queue(f"{bucket}-queue", "s3")
    function = aws.function(bucket, "def handler(event, context): print('heard', event)", aws.role(bucket))
    wanted = {
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}]}},
    }
    s3.put_bucket_notification_configuration(
        Bucket=bucket,
        NotificationConfiguration={
            "LambdaFunctionConfigurations": [{"LambdaFunctionArn": function, **wanted}],
            "QueueConfigurations": [{"QueueArn": heard.arn, **wanted}],
        },
    )
    assert "s3:TestEvent" in aws.message(heard)
    for key in ("out/a", "in/b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"v")
    assert "in/b" in aws.message(heard)
    (line,) = until(lambda: aws.said(bucket, "heard"), 20, "the function to hear of it")
    assert "in/b" in line
    assert not aws.received(heard)


def pair(aws: LocalAws, name: str, role: str) -> tuple[str, str]:
    """Make two buckets in two regions, the first of which is replicated to the second."""
    here, there = f"{name}-here", f"{name}-there"
    aws.client("s3").create_bucket(Bucket=here)
    away = aws.client("s3", THERE)
    away.create_bucket(Bucket=there, CreateBucketConfiguration={"LocationConstraint": THERE})
    for region, bucket in ((HERE, here), (THERE, there)):
        aws.client("s3", region).put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    minutes = {"Minutes": 15}
    destination = {
        "Bucket": f"arn:aws:s3:::{there}",
        "Metrics": {"Status": "Enabled", "EventThreshold": minutes},
        "ReplicationTime": {"Status": "Enabled", "Time": minutes},
    }
    rule = {
        "ID": "all",
        "Priority": 0,
        "Status": "Enabled",
        "Filter": {},
        "DeleteMarkerReplication": {"Status": "Enabled"},
        "Destination": destination,
    }
    aws.client("s3").put_bucket_replication(Bucket=here, ReplicationConfiguration={"Role": role, "Rules": [rule]})
    return here, there


def test_an_object_and_its_deletion_arrive_in_the_other_regions_bucket(aws: LocalAws, name: str) -> None:
    here, there = pair(aws, name, aws.role(name, allow("s3:*"), service="s3"))
    source, copy = aws.client("s3"), aws.client("s3", THERE)
    source.put_object(Bucket=here, Key="k", Body=b"v")
    assert until(lambda: read(copy, there, "k"), 20, "the copy") == b"v"
    source.delete_object(Bucket=here, Key="k")
    until(lambda: not read(copy, there, "k"), 20, "the deletion")
    names = {"ReplicationLatency", "OperationsPendingReplication"}
    where = [{"Name": "SourceBucket", "Value": here}, {"Name": "DestinationBucket", "Value": there}]

    def measured() -> bool:
        found = aws.client("cloudwatch").list_metrics(Namespace="AWS/S3", Dimensions=where)["Metrics"]
        return {each["MetricName"] for each in found} == names

    until(measured, 20, "the metrics")


def test_replication_asks_no_role(aws: LocalAws, name: str) -> None:
    here, there = pair(aws, name, aws.role(name, deny("s3:*"), service="s3"))
    aws.client("s3").put_object(Bucket=here, Key="k", Body=b"v")
    copied = "a copy that needs no role; it is asked now, so raise the claim"
    assert until(lambda: read(aws.client("s3", THERE), there, "k"), 20, copied) == b"v"


def test_a_replica_keeps_its_sources_key(aws: LocalAws, name: str) -> None:
    here, there = pair(aws, name, aws.role(name, allow("s3:*", "kms:*"), service="s3"))
    source, copy = aws.client("s3"), aws.client("s3", THERE)
    sent = source.put_object(Bucket=here, Key="k", Body=b"v", ServerSideEncryption="aws:kms", SSEKMSKeyId=aws.key())
    until(lambda: read(copy, there, "k"), 20, "the copy")
    found = copy.head_object(Bucket=there, Key="k").get("SSEKMSKeyId")
    works_now(found != sent["SSEKMSKeyId"], f"a replica has its own bucket's key, {found}")


# ------------------------------------------------------------------------------------------- written down


def test_a_key_that_is_disabled_stops_nobody_from_reading_objects_encrypted_with_it(
    aws: LocalAws, s3: Any, bucket: str
) -> None:
    key = aws.key()
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"plain")["SSEKMSKeyId"].endswith(key)
    aws.client("kms").disable_key(KeyId=key)
    works_now(failure(lambda: s3.get_object(Bucket=bucket, Key="k")), "an object can't be read without its key")
    (file,) = (aws.cloud.aws.data / "s3").glob(f"*/{bucket}/k")
    works_now(file.read_bytes() != b"plain", "objects are encrypted on disk")


def test_nothing_expires(s3: Any, bucket: str) -> None:
    """On AWS an object that a rule applies to says when it goes, and one whose date has passed is on its way out."""
    rule = {"ID": "all", "Status": "Enabled", "Filter": {}, "Expiration": {"Date": "2020-01-01T00:00:00Z"}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    s3.put_object(Bucket=bucket, Key="k", Body=b"v")
    works_now(s3.head_object(Bucket=bucket, Key="k").get("Expiration"), "a lifecycle rule is applied")


def test_no_access_is_logged(aws: LocalAws, s3: Any, bucket: str) -> None:
    logs = f"{bucket}-logs"
    s3.create_bucket(Bucket=logs)
    to = policy(allow("s3:PutObject", on=f"arn:aws:s3:::{logs}/*", Principal={"Service": "logging.s3.amazonaws.com"}))
    s3.put_bucket_policy(Bucket=logs, Policy=to)
    wanted = {"LoggingEnabled": {"TargetBucket": logs, "TargetPrefix": ""}}
    s3.put_bucket_logging(Bucket=bucket, BucketLoggingStatus=wanted)
    for _ in range(20):
        s3.list_objects_v2(Bucket=bucket)
    works_now(s3.list_objects_v2(Bucket=logs)["KeyCount"], "access is logged")
