"""How the pipeline gets into a warehouse: with what a secret holds, or to a file of DuckDB that lies in the bucket."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from orbit.warehouses import WAREHOUSES, Warehouse

STORE = "warehouse/orbit.duckdb"
"""Where the file of DuckDB lies in the bucket."""
FIELDS = {
    "account": "ORBIT_SNOWFLAKE_ACCOUNT",
    "user": "ORBIT_SNOWFLAKE_USER",
    "private_key": "ORBIT_SNOWFLAKE_PRIVATE_KEY",
    "password": "ORBIT_SNOWFLAKE_PASSWORD",
}
"""What a secret for Snowflake may hold, and the variables that dbt/profiles.yml reads."""


class NoAccess(Exception):
    """The warehouse can't be entered, and a person has to do something about it."""


def setting(name: str) -> str:
    """Return a variable of the environment, or nothing."""
    return os.environ.get(name, "")


def s3() -> Any:
    """Return a client for S3."""
    import boto3

    return boto3.client("s3")


@contextmanager
def opened(target: str) -> Iterator[Warehouse]:
    """Connect to a warehouse for a while."""
    warehouse = WAREHOUSES[target]()
    try:
        yield warehouse
    finally:
        warehouse.close()


@contextmanager
def entered(target: str, bucket: str, *, write: bool) -> Iterator[None]:
    """Set the variables with which a warehouse is entered; bring DuckDB's file from the bucket, and back.

    Parameters
    ----------
    target : str
        Which warehouse.
    bucket : str
        Where the file of DuckDB is kept; without one, ``ORBIT_DUCKDB_PATH`` is used as it is.
    write : bool
        Whether the file goes back into the bucket when all has gone well.

    Raises
    ------
    NoAccess
        The secret holds nothing that opens the warehouse, or another run has changed the file meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="orbit-") as folder:
        if secret := setting("ORBIT_SECRET_ARN"):
            _open_secret(target, secret, Path(folder))
        if target != "duckdb" or not bucket:
            yield
            return
        path = Path(folder) / "orbit.duckdb"
        os.environ["ORBIT_DUCKDB_PATH"] = str(path)
        client = s3()
        found = _fetch(client, bucket, path)
        yield
        if write:
            _store(client, bucket, path, found)


def _open_secret(target: str, secret: str, folder: Path) -> None:
    """Put what a secret holds where dbt and the clients look for it."""
    import boto3

    held = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    if target == "bigquery" and "type" in held:
        path = folder / "credentials.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(held))
        os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(path)
        if held["type"] == "external_account" and (credentials := boto3.Session().get_credentials()):
            # Google's library knows no role of a task: it reads these variables.
            own = credentials.get_frozen_credentials()
            os.environ.update({"AWS_ACCESS_KEY_ID": own.access_key, "AWS_SECRET_ACCESS_KEY": own.secret_key})
            os.environ.update({"AWS_SESSION_TOKEN": own.token} if own.token else {})
    if target == "snowflake":
        os.environ.update({variable: held[field] for field, variable in FIELDS.items() if field in held})
    needed = {"snowflake": "private_key", "bigquery": "type"}.get(target, "")
    if needed and needed not in held and not (setting("ORBIT_SNOWFLAKE_HOST") or setting("ORBIT_BIGQUERY_ENDPOINT")):
        raise NoAccess(f"the secret {secret} has no {needed!r}: put the key in, as the stack's README says")


def _fetch(client: Any, bucket: str, path: Path) -> str:
    """Bring DuckDB's file from the bucket; return its version, or nothing where there is none yet."""
    from botocore.exceptions import ClientError

    try:
        answer = client.get_object(Bucket=bucket, Key=STORE)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
            return ""
        raise
    with open(path, "wb") as file:
        for chunk in answer["Body"].iter_chunks(1 << 20):
            file.write(chunk)
    return str(answer["ETag"])


def _store(client: Any, bucket: str, path: Path, found: str) -> None:
    """Put DuckDB's file into the bucket, unless another run did so meanwhile: of two, one has to begin anew."""
    from botocore.exceptions import ClientError

    condition = {"IfMatch": found} if found else {"IfNoneMatch": "*"}
    try:
        with open(path, "rb") as file:
            client.put_object(Bucket=bucket, Key=STORE, Body=file, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            raise NoAccess("another run has changed the warehouse meanwhile: run it again") from error
        raise
