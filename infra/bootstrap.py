"""The bucket that holds the Terraform states of a real account; made once per account and region."""

from __future__ import annotations

import json
from typing import Any

from infra.errors import OrreryError
from infra.output import Ui
from infra.targets import state_bucket


def bootstrap(account_id: str, region: str, ui: Ui) -> str:
    """Create the state bucket, or bring an existing one to the same settings; return its name.

    Versioned (a broken state can be taken back), encrypted, closed to the public, TLS only. Running it again
    changes nothing.

    Parameters
    ----------
    account_id : str
        Whose account.
    region : str
        The region of the bucket: the home region of the stacks that keep their state in it.

    Raises
    ------
    OrreryError
        The account may not create buckets, or the name belongs to somebody else.
    """
    import boto3  # lazy: see infra.live
    from botocore.exceptions import BotoCoreError, ClientError

    name = state_bucket(account_id, region)
    s3 = boto3.client("s3", region_name=region)
    try:
        _create(s3, name, account_id, region)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}, "BucketKeyEnabled": True}
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [rule]})
        closed = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=dict.fromkeys(closed, True))
        s3.put_bucket_policy(Bucket=name, Policy=json.dumps(_tls_only(name)))
    except (BotoCoreError, ClientError) as error:
        raise OrreryError(
            f"could not set up the state bucket {name}",
            next_step="the credentials need s3:CreateBucket and s3:PutBucket* on it",
            details=str(error),
        ) from error
    ui.say(f"The Terraform states of account {account_id} are kept in s3://{name} ({region}).")
    return name


def _create(s3: Any, name: str, account_id: str, region: str) -> None:
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account_id)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        # us-east-1 refuses to be named: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=name, **where)


def _tls_only(name: str) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
