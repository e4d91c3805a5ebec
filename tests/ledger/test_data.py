"""Keys, secrets and tables: what is encrypted, kept, replicated, restored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.local_aws import (
    ACCOUNT,
    HERE,
    THERE,
    LocalAws,
    allow,
    deny,
    failure,
    never,
    policy,
    refused,
    until,
    works_now,
)

pytestmark = pytest.mark.e2e


# ------------------------------------------------------------------------------------------------- keys


def test_a_key_encrypts_for_those_whom_its_policy_lets_and_while_it_is_enabled(aws: LocalAws, name: str) -> None:
    role = aws.role(name, allow("kms:*"))
    account = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})
    key = aws.key(Policy=policy(account, deny("kms:Decrypt", Principal={"AWS": role})))
    kms, bound = aws.client("kms"), aws.client("kms", credentials=aws.assume(role))
    secret = bound.encrypt(KeyId=key, Plaintext=b"orrery")["CiphertextBlob"]
    assert b"orrery" not in secret
    assert refused(lambda: bound.decrypt(KeyId=key, CiphertextBlob=secret))
    assert kms.decrypt(KeyId=key, CiphertextBlob=secret)["Plaintext"] == b"orrery"
    kms.disable_key(KeyId=key)
    with pytest.raises(ClientError, match="DisabledException"):
        kms.decrypt(KeyId=key, CiphertextBlob=secret)


def test_a_decrypt_that_names_the_wrong_key_is_answered(aws: LocalAws) -> None:
    """On AWS this is an IncorrectKeyException; here the caller gets bytes that are not the plaintext."""
    kms = aws.client("kms")
    secret = kms.encrypt(KeyId=aws.key(), Plaintext=b"orrery")["CiphertextBlob"]
    works_now(failure(lambda: kms.decrypt(KeyId=aws.key(), CiphertextBlob=secret)), "the wrong key is refused")


def test_an_alias_leads_to_the_key_that_it_names_last(aws: LocalAws, name: str) -> None:
    kms, keys = aws.client("kms"), [aws.key(), aws.key()]
    kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=keys[0])
    for key in keys:
        kms.update_alias(AliasName=f"alias/{name}", TargetKeyId=key)
        assert kms.encrypt(KeyId=f"alias/{name}", Plaintext=b"x")["KeyId"].endswith(key)


def test_what_a_key_encrypts_its_replica_in_another_region_decrypts(aws: LocalAws) -> None:
    here, there = aws.client("kms"), aws.client("kms", THERE)
    key = aws.key(MultiRegion=True)
    here.replicate_key(KeyId=key, ReplicaRegion=THERE)
    secret = here.encrypt(KeyId=key, Plaintext=b"orrery")["CiphertextBlob"]
    assert there.decrypt(KeyId=key, CiphertextBlob=secret)["Plaintext"] == b"orrery"


# ---------------------------------------------------------------------------------------------- secrets


def test_a_secret_is_read_in_its_other_region_and_comes_back_within_its_window(aws: LocalAws, name: str) -> None:
    here, there = aws.client("secretsmanager"), aws.client("secretsmanager", THERE)
    here.create_secret(Name=name, SecretString="one", AddReplicaRegions=[{"Region": THERE}])
    assert there.get_secret_value(SecretId=name)["SecretString"] == "one"
    with pytest.raises(ClientError, match="InvalidRequestException"):
        there.put_secret_value(SecretId=name, SecretString="two")
    here.create_secret(Name=f"{name}-gone", SecretString="kept")
    here.delete_secret(SecretId=f"{name}-gone", RecoveryWindowInDays=7)
    with pytest.raises(ClientError, match="InvalidRequestException"):
        here.get_secret_value(SecretId=f"{name}-gone")
    here.restore_secret(SecretId=f"{name}-gone")
    assert here.get_secret_value(SecretId=f"{name}-gone")["SecretString"] == "kept"


def test_a_secrets_key_that_is_disabled_stops_nobody_from_reading_it(aws: LocalAws, name: str) -> None:
    secrets, key = aws.client("secretsmanager"), aws.key()
    secrets.create_secret(Name=name, SecretString="readable", KmsKeyId=key)
    aws.client("kms").disable_key(KeyId=key)
    works_now(failure(lambda: secrets.get_secret_value(SecretId=name)), "a secret needs its key")


def test_a_secrets_new_value_is_current_everywhere_and_its_last_one_previous(aws: LocalAws, name: str) -> None:
    here, there = aws.client("secretsmanager"), aws.client("secretsmanager", THERE)
    here.create_secret(Name=name, SecretString="one", AddReplicaRegions=[{"Region": THERE}])
    here.put_secret_value(SecretId=name, SecretString="two")
    until(lambda: there.get_secret_value(SecretId=name)["SecretString"] == "two", 20, "the new value")
    assert here.get_secret_value(SecretId=name, VersionStage="AWSPREVIOUS")["SecretString"] == "one"


def test_rotation_calls_no_function(aws: LocalAws, name: str) -> None:
    function = aws.function(name, "def handler(event, context): print('rotates', event)", aws.role(name))
    permit = {"Action": "lambda:InvokeFunction", "Principal": "secretsmanager.amazonaws.com", "StatementId": "rotation"}
    aws.client("lambda").add_permission(FunctionName=name, **permit)
    secrets = aws.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString="one")
    secrets.rotate_secret(SecretId=name, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 1})
    never(lambda: aws.said(name, "rotates"), 2, "the rotation's function is called")


# ------------------------------------------------------------------------------------------------ tables


def make_table(aws: LocalAws, name: str, **more: Any) -> Any:
    """Make a table with an index by e-mail, and return its client."""
    client = aws.client("dynamodb")
    index = {
        "IndexName": "by-email",
        "KeySchema": [{"AttributeName": "email", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in ("id", "email")],
        GlobalSecondaryIndexes=[index],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        **more,
    )
    return client


def put(client: Any, table: str, key: str) -> None:
    client.put_item(TableName=table, Item={"id": {"S": key}, "email": {"S": f"{key}@example.com"}})


def keys(client: Any, table: str) -> set[str]:
    return {item["id"]["S"] for item in client.scan(TableName=table)["Items"]}


def test_a_table_is_searched_replicated_both_ways_and_protected(aws: LocalAws, name: str) -> None:
    here, there = make_table(aws, name, DeletionProtectionEnabled=True), aws.client("dynamodb", THERE)
    here.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": THERE}}])
    put(here, name, "ada")
    until(lambda: keys(there, name) == {"ada"}, 20, "the item to arrive")
    put(there, name, "karl")
    until(lambda: keys(here, name) == {"ada", "karl"}, 20, "the item to come back")
    found = here.query(
        TableName=name,
        IndexName="by-email",
        KeyConditionExpression="email = :email",
        ExpressionAttributeValues={":email": {"S": "karl@example.com"}},
    )["Items"]
    assert [item["id"]["S"] for item in found] == ["karl"]
    with pytest.raises(ClientError, match="protected against deletion"):
        here.delete_table(TableName=name)


def test_a_tables_stream_tells_what_changed(aws: LocalAws, name: str) -> None:
    put(make_table(aws, name), name, "ada")
    streams = aws.client("dynamodbstreams", HERE)
    arn = streams.list_streams(TableName=name)["Streams"][0]["StreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    (record,) = streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert (record["eventName"], record["dynamodb"]["NewImage"]["id"]["S"]) == ("INSERT", "ada")


def test_a_table_restored_to_a_moment_holds_what_came_later(aws: LocalAws, name: str) -> None:
    client = make_table(aws, name)
    recovery = {"PointInTimeRecoveryEnabled": True}
    client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    put(client, name, "later")
    before = datetime.now(UTC) - timedelta(minutes=1)
    client.restore_table_to_point_in_time(SourceTableName=name, TargetTableName=f"{name}-then", RestoreDateTime=before)
    until(lambda: client.describe_table(TableName=f"{name}-then")["Table"]["TableStatus"] == "ACTIVE", 20, "the table")
    works_now(not keys(client, f"{name}-then"), "a table is restored as it was")


def test_a_tables_key_that_is_disabled_stops_nobody_from_reading_it(aws: LocalAws, name: str) -> None:
    key = aws.key()
    client = make_table(aws, name, SSESpecification={"Enabled": True, "SSEType": "KMS", "KMSMasterKeyId": key})
    put(client, name, "ada")
    aws.client("kms").disable_key(KeyId=key)
    works_now(failure(lambda: client.scan(TableName=name)), "a table needs its key")
