"""What the schedule and ``make run`` start: take what waits in the bucket, build the marts, say what came of it.

``python -m nebula.task run`` reads ``NEBULA_BUCKET``, ``NEBULA_TARGET`` (postgres or redshift), ``NEBULA_HOST``,
``_PORT``, ``_DATABASE``, ``_SECRET_ARN``, ``_SSLMODE`` and ``NEBULA_WORK``, a folder for dbt; for redshift also
``NEBULA_COPY_PREFIX`` and ``NEBULA_COPY_ROLE``. It writes one JSON object a line.

A file waits until a marker below ``taken/`` says what became of it. The marker is written last: a run that is killed
finds its files waiting, and the warehouse knows by their content what of them it has.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3

from jobs.errors import FileRejected
from jobs.faults import fault_point
from jobs.metrics import log
from jobs.quarantine import S3Quarantine
from jobs.source import Delivery, listed_object
from nebula import feeds, pipeline

LANDING, QUARANTINE, TAKEN = "incoming/", "quarantine/", "taken/"


def marker(delivery: Delivery) -> str:
    """Return the key under which it is written down what became of a delivery."""
    return f"{TAKEN}{delivery.key.removeprefix(LANDING)}/{delivery.etag}.json"


def waiting(s3: Any, bucket: str) -> list[Delivery]:
    """Return the deliveries that no run has taken yet, oldest first."""
    taken = {entry["Key"] for entry in _listed(s3, bucket, TAKEN)}
    found = [listed_object(bucket, entry) for entry in _listed(s3, bucket, LANDING)]
    new = [each for each in found if not each.key.endswith("/") and marker(each) not in taken]
    return sorted(new, key=lambda each: (each.modified_at, each.key))


def _listed(s3: Any, bucket: str, prefix: str) -> list[dict[str, Any]]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return [entry for page in pages for entry in page.get("Contents", [])]


def fetch(s3: Any, deliveries: Sequence[Delivery], folder: Path) -> tuple[dict[Path, Delivery], dict[Delivery, str]]:
    """Download deliveries and look at each by itself, so that one that is refused keeps no other out.

    Returns
    -------
    dict, dict
        The files that can be loaded, in order; and why the others can't. What was refused is in quarantine.
    """
    good: dict[Path, Delivery] = {}
    refused: dict[Delivery, str] = {}
    for number, each in enumerate(deliveries):
        path = folder / f"{number:05}" / Path(each.key).name
        path.parent.mkdir()
        s3.download_file(each.bucket, each.key, str(path))
        try:
            feeds.prepare(path, path.parent, 0).path.unlink()
        except FileRejected as refusal:
            refused[each] = refusal.message
            kept = S3Quarantine(s3, each.bucket, QUARANTINE).put_file(feeds.content_hash(path), each)
            log("error", "refused", key=each.key, code=refusal.code, error=refusal.message, quarantine_key=kept)
            path.unlink()
        else:
            good[path] = each
    return good, refused


def sign_in() -> None:
    """Put the user and the password of now into this process's environment, where pipeline and dbt look for them."""
    answer = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["NEBULA_SECRET_ARN"])
    secret = json.loads(answer["SecretString"])
    os.environ |= {"NEBULA_USER": secret["username"], "NEBULA_PASSWORD": secret["password"]}


def run() -> None:
    """Take everything that waits; that a file is refused is an outcome, not a failure."""
    s3, bucket, target = boto3.client("s3"), os.environ["NEBULA_BUCKET"], os.environ["NEBULA_TARGET"]
    sign_in()
    with tempfile.TemporaryDirectory(prefix="nebula-task-") as folder:
        good, refused = fetch(s3, waiting(s3, bucket), Path(folder))
        summary = pipeline.run(target, list(good), Path(os.environ["NEBULA_WORK"]))
    fault_point("unmarked")
    outcomes = {**dict.fromkeys(good.values(), "loaded"), **dict.fromkeys(refused, "refused")}
    for delivery, outcome in outcomes.items():
        note = {"outcome": outcome, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        s3.put_object(Bucket=bucket, Key=marker(delivery), Body=json.dumps(note).encode())
        fault_point("marked")
    log("info", "finished", files=len(good), refused=len(refused), **summary)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit code."""
    if list(arguments) != ["run"]:
        print("usage: python -m nebula.task run", file=sys.stderr)
        return 64
    try:
        run()
    except Exception as error:  # the alarm on errors reads lines of the log, not tracebacks
        traceback.print_exc()
        log("error", "failed", error=f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
