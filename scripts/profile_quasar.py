"""Say where 09_quasar's speed layer spends its JVM's time, and write docs/benchmarks.md.

``python scripts/profile_quasar.py`` runs in the environment ``test`` and needs a JDK 17, whose ``jfr`` reads what
Java's Flight Recorder wrote. The layer and its archive drain a topic, as in ``scripts/bench_quasar.py``; every 10 ms
the recorder notes what the threads do. A sample counts for the first of `KINDS` that is in its stack, from the top. The
collector of garbage and the compiler have no stacks, and are not among them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent)]
bench = importlib.import_module("bench_quasar")

EVENTS = ("jdk.ExecutionSample", "jdk.NativeMethodSample")
IDLE = re.compile(
    r"epollWait|EPoll\.wait|Net\.(poll|accept)|SocketDispatcher\.read|Unsafe\.park|Object\.wait|FileDispatcherImpl\.force0"
    r"|FileInputStream\.readBytes|waitForProcessExit"  # of what a child says, and for its end
)
"""What a thread does that waits."""
KINDS = (
    ("de-duplication's and windows' state: RocksDB", r"org\.rocksdb|\.execution\.streaming\.state\."),
    ("JSON: parsing a message", r"com\.fasterxml|JacksonParser|JsonToStructs"),
    ("patterns: is it flat JSON, is it an id", r"java\.util\.regex"),
    (
        "rows from and to Python's workers: Arrow, sockets",
        r"org\.apache\.arrow|\.python\.|ArrowWriter|ArrowColumnVector",
    ),
    ("shuffles and sorts", r"\.shuffle\.|UnsafeExternalSorter|LZ4|\.storage\."),
    ("aggregation", r"\.aggregate\.|BytesToBytesMap|GeneratedIteratorForCodegenStage"),
    ("planning and code generation", r"\.catalyst\.(optimizer|analysis|plans|rules)|janino|\.QueryExecution"),
)
LOADING = "loading classes, at the start"
OTHER = "other parts of Spark"


def stacks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the frames of each sample that ``jfr print`` shows, from the top."""
    frames: list[str] | None = None
    for line in lines:
        text = line.strip()
        if text.startswith("stackTrace = ["):
            frames = []
        elif frames is not None and text == "]":
            yield frames
            frames = None
        elif frames is not None:
            frames.append(text)


def kind(frames: list[str]) -> str | None:
    """Return what a sample counts for; None where the thread waits."""
    if frames and IDLE.search(frames[0]):
        return None
    for frame in frames:
        for name, pattern in KINDS:
            if re.search(pattern, frame):
                return name
    return LOADING if any("ClassLoader" in frame for frame in frames) else OTHER


def recorded(file: Path) -> Counter[str]:
    """Return how many samples of a recording count for what."""
    command = ["jfr", "print", "--events", ",".join(EVENTS), "--stack-depth", "64", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        found = Counter(name for frames in stacks(process.stdout) if (name := kind(frames)))
    if process.returncode or not found:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode} and {found.total()} samples")
    return found


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=1_500_000, help="how many wait when the drain begins")
    parser.add_argument("--no-write", action="store_true", help="print only; leave docs/benchmarks.md alone")
    given = parser.parse_args()
    if not shutil.which("jfr"):
        raise SystemExit("there is no jfr on the PATH; next: apt-get install openjdk-17-jdk-headless")
    from infra.docs import write_section
    from infra.local import Cloud

    layers_of = importlib.import_module("layers").Layers
    with tempfile.TemporaryDirectory(prefix="profile-quasar-") as name:
        root = Path(name)
        file = root / "speed.jfr"
        bench.SERVICE["JAVA_TOOL_OPTIONS"] = (
            f"-XX:StartFlightRecording=filename={file},settings=profile,dumponexit=true"
        )
        cloud = Cloud(root / ".orrery")
        try:
            cloud.up(["aws", "kafka", "postgres"])
            drained = bench.drain(layers_of(cloud, root / "drain", "drain"), given.events)
        finally:
            cloud.erase()
        found = recorded(file)
    lines = ["| what the JVM's threads do | of the samples |", "|---|--:|"]
    lines += [f"| {name} | {count / found.total():.0%} |" for name, count in found.most_common()]
    jvm, workers = (drained["cpu_us"][part] for part in ("JVM", "Python workers"))
    lines += [
        "",
        f"Of {found.total():,} samples while {given.events:,} events were drained, the start of Spark included. The JVM"
        f" used {jvm:.0f} µs of CPU an event, Python's workers {workers:.0f}. {date.today().isoformat()},"
        f" {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end. `python scripts/profile_quasar.py`",
    ]
    text = "\n".join(lines)
    print(text)
    if not given.no_write:
        write_section(bench.PAGE, "profile_quasar", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
