"""A Spark session, the same code for a job on this machine and on EMR Serverless.

Started by ``spark-submit``, as EMR does, a job takes its master, its memory and its way to S3 from there. Started by
Python it brings its own Spark up in this process (a library and one JVM; no service runs) and gets the settings below.
Needs pyspark 3.5 or 4.0, and locally Java 17 and bodo-iceberg-connector, of which the S3A jars are used. What else
workers use (pandas, pyarrow, confluent-kafka) is imported ahead where it is there; see `jobs.spark_daemon`.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs import java

CORES = 2
HEAP_MB = {"batch": 1500, "streaming": 1000}
LOG = Path(__file__).with_name("spark_log4j2.properties")
EVERYWHERE = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.sources.partitionOverwriteMode": "dynamic",  # a second run replaces the days that it has, no others
}
STREAMING = {
    "spark.sql.adaptive.enabled": "false",  # replans each micro-batch, which has too little data to gain from it
    "spark.sql.streaming.minBatchesToRetain": "20",
}
# Over hours G1 would let the heap grow to its limit, and glibc keep what RocksDB gave back to it. The heap of a stream
# has one size, and what is free outside of it goes back each minute; Java before 17.0.9 or so does not know how.
STEADY = ("-XX:+IgnoreUnrecognizedVMOptions", "-XX:TrimNativeHeapInterval=60000")
S3A_JARS = (
    "hadoop-aws",
    "aws-java-sdk-core",
    "aws-java-sdk-dynamodb",
    "aws-java-sdk-kms",
    "aws-java-sdk-s3",
    "aws-java-sdk-sts",
    "ion-java",
    "jmespath-java",
    "wildfly-openssl",
)


def session(
    name: str,
    *,
    streaming: bool = False,
    short: bool = False,
    folder: Path | None = None,
    settings: Mapping[str, str] | None = None,
) -> Any:
    """Return the Spark session of this process, made when there is none.

    Parameters
    ----------
    name : str
        The application's, as logs show it.
    streaming : bool
        The job runs micro-batches: no adaptive planning, a short history in the checkpoint.
    short : bool
        It ends within a minute or two: on this machine the JVM leaves out its second compiler, whose gain a short job
        does not live to see.
    folder : Path, optional
        Where shuffles, temporary files and the warehouse lie on this machine; ``SPARK_FOLDER`` in the environment, or
        a temporary folder that ends with the process. Not used on EMR.
    settings : mapping, optional
        Spark's own names to values, which win over all others; ``spark.jars`` are added to S3A's.

    Returns
    -------
    pyspark.sql.SparkSession
        Stop it (``.stop()``) when the job is done: a JVM of up to about two gigabytes stands behind it.

    Raises
    ------
    jobs.java.JavaNotFoundError
        There is no Java 17 on this machine.
    """
    from pyspark.sql import SparkSession

    wanted = {**EVERYWHERE, **(STREAMING if streaming else {})}
    if not submitted():
        there = _folder(folder)
        _prepare_process(there)
        wanted |= local_settings(there, streaming=streaming, short=short)
    builder = SparkSession.builder.appName(name)
    given = dict(settings or {})
    if "spark.jars" in wanted and "spark.jars" in given:  # S3A's settings need its jars
        given["spark.jars"] = f"{wanted['spark.jars']},{given['spark.jars']}"
    for key, value in {**wanted, **given}.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def submitted(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether ``spark-submit`` started this process: then a JVM with its settings is there already."""
    return "PYSPARK_GATEWAY_PORT" in environment


def local_settings(
    folder: Path, environment: Mapping[str, str] = os.environ, *, streaming: bool = False, short: bool = False
) -> dict[str, str]:
    """Return the settings of a Spark on this machine: two cores, bounded memory, nothing that listens to others.

    Parameters
    ----------
    folder : Path
        For all that Spark writes of its own.
    environment : mapping
        ``AWS_ENDPOINT_URL_S3`` or ``AWS_ENDPOINT_URL``, and ``AWS_REGION``. S3A reads the credentials from the
        environment itself, so that no setting and no command line holds them.
    streaming : bool
        The JVM is to live long: its memory stays what it was in the beginning.
    short : bool
        It is to end soon: its second compiler is left out.

    Returns
    -------
    dict
        Spark's own names to values.
    """
    steady = streaming and not short
    heap_mb = HEAP_MB["streaming" if steady else "batch"]
    options = ["-XX:+UseG1GC", "-Duser.timezone=UTC"]
    options += [f"-Djava.io.tmpdir={folder / 'tmp'}", f"-Dlog4j2.configurationFile={LOG}"]
    if short:
        options.append("-XX:TieredStopAtLevel=1")
    if steady:
        options += [f"-Xms{heap_mb}m", *STEADY]
    settings = {
        "spark.master": f"local[{CORES}]",
        "spark.driver.memory": f"{heap_mb}m",
        "spark.driver.extraJavaOptions": " ".join(options),
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.python.daemon.module": "jobs.spark_daemon",
        "spark.default.parallelism": str(CORES),
        "spark.sql.shuffle.partitions": str(2 * CORES),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        # What the pages of the UI would show is kept even without them: a long stream would fill the heap.
        "spark.ui.retainedJobs": "50",
        "spark.ui.retainedStages": "50",
        "spark.ui.retainedTasks": "1000",
        "spark.sql.ui.retainedExecutions": "20",
    }
    if jars := s3a_jars():
        settings |= {"spark.jars": ",".join(map(str, jars)), **_s3a(folder, environment)}
    return settings


def s3a_jars() -> list[Path]:
    """Return the jars with which Spark reaches S3, of a package that carries them; none without it."""
    found = importlib.util.find_spec("bodo_iceberg_connector")
    if not found or not found.origin:
        return []
    libraries = Path(found.origin).parent / "jars" / "libs"
    return [next(libraries.glob(f"{name}-[0-9]*.jar")) for name in S3A_JARS]


def _s3a(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return S3A's settings. Spark's Hadoop 3.4 writes durations as ``60s``, which this S3A, of 3.3, can't read."""
    settings = {
        "impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "aws.credentials.provider": "com.amazonaws.auth.EnvironmentVariableCredentialsProvider",
        "endpoint.region": environment.get("AWS_REGION") or "us-east-1",
        "buffer.dir": str(folder / "tmp"),
        "threads.keepalivetime": "60",
        "connection.establish.timeout": "5000",
        "connection.timeout": "60000",
        "connection.request.timeout": "0",
        "multipart.purge.age": "86400",
        "retry.limit": "3",
        "attempts.maximum": "3",
    }
    if endpoint := environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL"):
        settings |= {
            "endpoint": endpoint,
            "path.style.access": "true",
            "connection.ssl.enabled": str(endpoint.startswith("https:")).lower(),
            "change.detection.mode": "none",
        }
    hadoop = {f"spark.hadoop.fs.s3a.{name}": value for name, value in settings.items()}
    return hadoop | {"spark.hadoop.fs.s3.impl": settings["impl"]}  # EMR's paths begin with s3://


def _folder(folder: Path | None) -> Path:
    """Return the folder for Spark's own files, which is there."""
    named = folder or os.environ.get("SPARK_FOLDER")
    if not named:
        named = tempfile.mkdtemp(prefix="spark-")
        atexit.register(shutil.rmtree, named, ignore_errors=True)
    there = Path(named).resolve()
    for each in ("tmp", "warehouse"):
        (there / each).mkdir(mode=0o700, parents=True, exist_ok=True)
    return there


def _prepare_process(folder: Path) -> None:
    """Set what the JVM and Python's workers inherit."""
    os.environ["JAVA_HOME"] = str(java.home())
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    root = str(Path(__file__).resolve().parent.parent)  # workers import this package
    os.environ["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["SPARK_LOCAL_DIRS"] = str(folder / "tmp")
    for name in ("SPARK_HOME", "SPARK_CONF_DIR"):  # of another Spark on this machine
        os.environ.pop(name, None)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        if os.environ.get(name) == os.devnull:  # S3A's client wants a file, if only an empty one
            (folder / "empty").touch(mode=0o600)
            os.environ[name] = str(folder / "empty")
