"""What the crontab and the container run: ``task land`` and ``task nightly``, with the passwords they need.

Both read the same environment: ``COMET_BUCKET``, and for each of ``COMET_OLTP`` and ``COMET_OLAP`` the variables
``_HOST``, ``_PORT``, ``_NAME``, ``_SECRET_ARN`` and ``_SSLMODE``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3

from comet.land import SCHEMA, land, prepare
from jobs.database import DatabaseSettings, connect_with_secret
from jobs.ledger import Ledger
from jobs.metrics import log
from jobs.quarantine import S3Quarantine
from jobs.source import open_object

LANDING, QUARANTINE = "incoming/", "quarantine/"
HOME = Path(__file__).resolve().parents[2]
USAGE = "usage: task land | task nightly [OPTION]... (see nightly --help)"


def settings(database: str, environment: Mapping[str, str] = os.environ) -> DatabaseSettings:
    """Return where ``oltp`` or ``olap`` is."""
    prefix = f"COMET_{database.upper()}_"
    return DatabaseSettings.from_environment(
        {f"DB_{name.removeprefix(prefix)}": value for name, value in environment.items() if name.startswith(prefix)}
    )


def run_land() -> int:
    """Land every file of the bucket that is not done, oldest first; return the exit code.

    A file that is refused is an outcome: it is in quarantine, and the log says so as an error.
    """
    s3, bucket = boto3.client("s3"), os.environ["COMET_BUCKET"]
    failed = 0
    with connect_with_secret(settings("oltp"), boto3.client("secretsmanager")) as connection:
        prepare(connection)
        for key in Ledger(connection, SCHEMA).undelivered(s3, bucket, LANDING):
            try:
                delivery, chunks = open_object(s3, bucket, key)
                result = land(connection, delivery, chunks, S3Quarantine(s3, bucket, QUARANTINE))
            except Exception as error:  # one file's trouble must not keep the others out
                failed += 1
                log("error", "land_failed", key=key, error=f"{type(error).__name__}: {error}")
                if connection.closed:
                    break
            else:
                log("error" if result.status == "rejected" else "info", "file", **result.as_dict())
    log("info" if not failed else "error", "landed", failed=failed)
    return 1 if failed else 0


def run_nightly(arguments: list[str]) -> int:
    """Run ``bin/nightly`` with the passwords of now, in a file that only it can read and that ends with it."""
    with tempfile.TemporaryDirectory(prefix="comet-") as folder:
        environment = {**os.environ, **credentials(Path(folder), boto3.client("secretsmanager"))}
        return subprocess.run([str(HOME / "bin" / "nightly"), *arguments], env=environment).returncode


def credentials(folder: Path, secrets: Any) -> dict[str, str]:
    """Write libpq's service and password files; return the environment that names them.

    No password stands in a command line or in an environment, where other processes could read it.
    """
    services, passwords = [], []
    for name in ("oltp", "olap"):
        found = settings(name)
        secret = json.loads(secrets.get_secret_value(SecretId=found.secret_arn)["SecretString"])
        place = {"host": found.host, "port": found.port, "dbname": found.database, "user": secret["username"]}
        place["sslmode"] = found.sslmode
        if found.sslrootcert:
            place["sslrootcert"] = found.sslrootcert
        services += [f"[comet_{name}]", *(f"{key}={value}" for key, value in place.items())]
        fields = (found.host, str(found.port), found.database, secret["username"], secret["password"])
        passwords.append(":".join(field.replace("\\", "\\\\").replace(":", "\\:") for field in fields))
    paths = {"PGSERVICEFILE": folder / "services", "PGPASSFILE": folder / "passwords"}
    for path, lines in zip(paths.values(), (services, passwords), strict=True):
        path.touch(mode=0o600)
        path.write_text("".join(f"{line}\n" for line in lines))
    return {name: str(path) for name, path in paths.items()}


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    if arguments[:1] == ["land"] and len(arguments) == 1:
        return run_land()
    if arguments[:1] == ["nightly"]:
        return run_nightly(arguments[1:])
    print(USAGE, file=sys.stderr)
    return 64


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
