"""Which Java runs Spark and Debezium: they want 17, and a machine's default may be another one.

Needs nothing: the engine asks it too.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

VERSION = 17
INSTALL = "apt-get install openjdk-17-jre-headless, or set JAVA_HOME to a Java 17"
INSTALLED = Path("/usr/lib/jvm")


class JavaNotFoundError(Exception):
    """There is no Java 17 on this machine."""


def home(environment: Mapping[str, str] = os.environ, installed: Path = INSTALLED) -> Path:
    """Return the home of a Java 17, to be set as ``JAVA_HOME`` for whatever starts one.

    Parameters
    ----------
    environment : mapping
        ``JAVA_HOME`` and ``PATH``.
    installed : Path
        Where the system's packages have theirs.

    Returns
    -------
    Path
        ``bin/java`` is in it. What ``JAVA_HOME`` names comes first, then the ``java`` on the PATH, then others.

    Raises
    ------
    JavaNotFoundError
        None of them is a Java 17; it says which there are.
    """
    others = []
    for candidate in dict.fromkeys(_candidates(environment, installed)):
        found = version(candidate)
        if found == VERSION:
            return candidate
        if found:
            others.append(f"{candidate} is {found}")
    seen = f" ({', '.join(others)})" if others else ""
    raise JavaNotFoundError(f"there is no Java {VERSION} on this machine{seen}")


def version(candidate: Path) -> int | None:
    """Return the major version of the Java in a folder; nothing when there is none that runs."""
    try:
        done = subprocess.run([candidate / "bin" / "java", "-version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found and done.returncode == 0 else None


def _candidates(environment: Mapping[str, str], installed: Path) -> Iterator[Path]:
    if named := environment.get("JAVA_HOME"):
        yield Path(named)
    if default := shutil.which("java", path=environment.get("PATH", "")):
        yield Path(default).resolve().parent.parent
    yield from sorted(installed.glob(f"*{VERSION}*"))
