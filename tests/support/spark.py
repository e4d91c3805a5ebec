"""A process with a Spark session, in the environment that has Spark, which runs pieces of code for tests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from infra.local import spark
from infra.paths import ROOT

PRELUDE = '''
import json, os, shutil, signal, sys, time, traceback
from pathlib import Path
from jobs.spark import session
from jobs.spark_kafka import available, read_batch, read_stream

work, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
out = os.fdopen(os.dup(1), "w")  # what is printed goes to stderr, so that answers stand alone
os.dup2(2, 1)
spark = session("tests", streaming=True, folder=work / "spark", settings=settings)

def start(topic, name, die_in=None, **how):
    """Start a query whose sink writes each batch to a file of its number: again, if the batch comes again."""
    folder = work / name
    (folder / "batches").mkdir(parents=True, exist_ok=True)
    def sink(frame, number):
        rows = [list(each) for each in frame.selectExpr("partition", "offset", "cast(value as string)").collect()]
        file = folder / "batches" / f"{number}.json"
        if file.exists():
            assert sorted(json.loads(file.read_text())) == sorted(rows), "a batch that is repeated is the same"
            (folder / "repeated").write_text(str(number))
        file.with_suffix(".new").write_text(json.dumps(rows))
        file.with_suffix(".new").rename(file)
        if number == die_in:
            os.kill(os.getpid(), signal.SIGKILL)
    stream = read_stream(spark, [topic], **how).writeStream.foreachBatch(sink)
    return stream.option("checkpointLocation", str(folder / "checkpoint")).start()

def failure(query, seconds=60):
    """Return with what a query ends."""
    try:
        query.processAllAvailable()
        return ""
    except Exception as error:
        return str(error)

said = []
say = said.append
for line in sys.stdin:
    said.clear()
    try:
        exec(json.loads(line), globals())
        answer = {"said": said}
    except BaseException:
        answer = {"failed": traceback.format_exc()}
    out.write(json.dumps(answer) + "\\n")
    out.flush()
spark.stop()
'''


class Driver:
    """A Spark driver that can be killed and started again.

    Parameters
    ----------
    work : Path
        For what it writes: its log, checkpoints, batches.
    environment : mapping
        The job's variables, such as ``KAFKA_BOOTSTRAP_SERVERS``.
    settings : mapping
        For the session.
    """

    def __init__(self, work: Path, environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
        self.work, self.environment, self.settings = work, environment, settings
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it; it takes its code as soon as its session is there."""
        self.work.mkdir(parents=True, exist_ok=True)
        command = [str(spark.python(print)), "-P", "-c", PRELUDE, str(self.work), json.dumps(dict(self.settings))]
        given = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        given |= spark.environment("tests") | dict(self.environment)
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(
                command, env=given, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )

    @property
    def log(self) -> Path:
        """What Spark and the code printed."""
        return self.work / "log"

    def send(self, code: str) -> None:
        """Run some code, and don't wait for it."""
        if self.process is None:
            self.start()
        assert self.process and self.process.stdin
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()

    def run(self, code: str) -> Any:
        """Run some code that has the prelude's functions, and return the last value that it said."""
        self.send(code)
        assert self.process and self.process.stdout
        line = self.process.stdout.readline()
        assert line, f"the driver died: {self.log.read_text()[-3000:]}"
        answer = json.loads(line)
        assert "failed" not in answer, answer["failed"]
        return answer["said"][-1] if answer["said"] else None

    def dies_of(self, code: str) -> None:
        """Run code with which the driver kills itself, and wait until its JVM is gone too."""
        self.run("say('its session is there')")
        assert self.process
        jvms = [each for each in psutil.Process(self.process.pid).children(recursive=True) if "java" in each.name()]
        self.send(code)
        assert self.process.wait(60) == -9, self.log.read_text()[-3000:]
        _, left = psutil.wait_procs(jvms, timeout=30)
        assert jvms and not left, "the JVM ends with its driver"
        self.process = None

    def stop(self) -> None:
        """Stop it as a job ends."""
        if self.process and self.process.stdin:
            self.process.stdin.close()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process = None

    def batches(self, name: str) -> dict[int, list[list[Any]]]:
        """Return what a query's sink has: rows of partition, offset and value, by the batch's number."""
        files = (self.work / name / "batches").glob("*.json")
        return dict(sorted((int(each.stem), json.loads(each.read_text())) for each in files))

    def rows(self, name: str) -> list[list[Any]]:
        """Return all rows of a query's sink, in the order of batches."""
        return [row for rows in self.batches(name).values() for row in rows]
