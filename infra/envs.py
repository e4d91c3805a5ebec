"""Python environments, one per lock file in ``requirements/``, made when a command first needs them.

This file runs on a bare ``python3`` (standard library only), because it makes the environment that the rest of
the engine runs in: ``python3 -P infra/envs.py engine``.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if __package__ in (None, ""):  # run as a file by the launcher, before any environment exists
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.errors import OrreryError
from infra.paths import REQUIREMENTS, ROOT, STATE

MINIMUM_PYTHON = (3, 11)
MAXIMUM_PYTHON = (3, 13)  # the newest for which every lock file has wheels


def location(name: str) -> Path:
    """Return the folder of an environment: ``.venv`` for the engine, ``.orrery/envs/<name>`` for the rest."""
    # Resolved, because the scripts of an environment hold its path: through a link they would end with the link.
    return ROOT / ".venv" if name == "engine" else (STATE / "envs").resolve() / name


def stamp_of(lock: Path) -> str:
    """Return what an up-to-date environment's stamp holds: the lock file's SHA-256.

    The launcher compares the engine's stamp with ``sha256sum``, so it is just this one digest.
    """
    return hashlib.sha256(lock.read_bytes()).hexdigest()


def is_ready(name: str) -> bool:
    """Tell whether the environment exists and holds exactly what its lock file says."""
    lock = REQUIREMENTS / f"{name}.txt"
    stamp = location(name) / "lock.sha256"
    try:
        return stamp.read_text().strip() == stamp_of(lock) and (location(name) / "bin" / "python").exists()
    except OSError:
        return False


def ensure(name: str, say: Callable[[str], None] | None = None) -> Path:
    """Make an environment if it is missing or its lock file changed, and return its interpreter.

    Parameters
    ----------
    name : str
        A lock file's name in ``requirements/`` without ``.txt``: engine, local, test, scan, lint, terraform.
    say : callable, optional
        Receives one line before something slow happens.

    Returns
    -------
    Path
        The environment's ``bin/python``.

    Raises
    ------
    OrreryError
        No such lock file, a Python that is too old, no ``venv`` module, no network, no room on the disk.
    """
    override = os.environ.get(f"ORRERY_ENV_{name.upper()}")
    if override:
        return Path(override)
    lock = REQUIREMENTS / f"{name}.txt"
    python = location(name) / "bin" / "python"
    if is_ready(name):
        return python
    if not lock.exists():
        known = ", ".join(sorted(path.stem for path in REQUIREMENTS.glob("*.txt")))
        raise OrreryError(f"there is no environment {name!r}", next_step=f"use one of: {known}")
    if not MINIMUM_PYTHON <= sys.version_info[:2] <= MAXIMUM_PYTHON:
        raise OrreryError(
            f"Python {sys.version_info.major}.{sys.version_info.minor} is not supported",
            next_step="install Python 3.11, 3.12 or 3.13 and run again with PYTHON=python3.12 in front",
        )
    with _only_one(name):
        if not is_ready(name):
            _build(name, lock, say or (lambda line: None))
    return python


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    """Let two commands that need the same environment build it one after the other."""
    try:
        STATE.mkdir(parents=True, exist_ok=True)
        (STATE / "envs").mkdir(exist_ok=True)
        with open(STATE / "envs" / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise OrreryError(
            f"cannot write to {STATE}: {error.strerror}",
            next_step="free some disk space or make the folder writable, then run the command again",
        ) from error


def _build(name: str, lock: Path, say: Callable[[str], None]) -> None:
    say(f"setting up the {name} environment (once, from requirements/{name}.txt)")
    folder, uv = location(name), _uv(say)
    started = time.monotonic()
    (folder / "lock.sha256").unlink(missing_ok=True)  # a half-built environment must not look ready
    _run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)], name)
    # Without byte code every start pays for compiling some thousand files.
    command = [uv, "pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"]
    _run([*command, "--python", str(folder / "bin" / "python"), str(lock)], name)
    (folder / "lock.sha256").write_text(stamp_of(lock) + "\n")
    say(f"the {name} environment is ready ({time.monotonic() - started:.0f} s)")


def _uv(say: Callable[[str], None]) -> str:
    """Return the uv to use: the user's own, else the pinned one in an environment of its own."""
    found = shutil.which("uv")
    if found:
        return found
    folder, lock = STATE / "envs" / "uv", REQUIREMENTS / "uv.txt"
    stamp = folder / "lock.sha256"
    if not stamp.exists() or stamp.read_text().strip() != stamp_of(lock):
        say("installing uv (once, from requirements/uv.txt)")
        _run([sys.executable, "-m", "venv", "--clear", str(folder)], "uv")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--require-hashes", "-r", str(lock)], "uv")
        stamp.write_text(stamp_of(lock) + "\n")
    return str(folder / "bin" / "uv")


def lock_all(say: Callable[[str], None]) -> list[Path]:
    """Resolve every ``*.in`` file again and write its lock file: names, versions and hashes, no index.

    Returns
    -------
    list of Path
        The lock files, relative to the repository.
    """
    uv, written = _uv(say), []
    for source in [*sorted(REQUIREMENTS.glob("*.in")), *sorted(ROOT.glob("lambdas/*/requirements.in"))]:
        target = source.with_suffix(".txt")
        say(f"locking {target.relative_to(ROOT)}")
        options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-header"]
        command = [uv, "pip", "compile", "--quiet", *options, str(source.relative_to(ROOT)), "-o", str(target)]
        _run(command, target.stem, cwd=ROOT)
        written.append(target.relative_to(ROOT))
    return written


def _run(command: list[str], name: str, cwd: Path | None = None) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=cwd)
    if done.returncode == 0:
        return
    output = (done.stdout + done.stderr).strip()
    if "ensurepip is not available" in output:
        step = "install Python's venv module (Debian, Ubuntu: apt-get install python3-venv)"
    elif "No space left" in output:
        step = "free some disk space, then run the command again"
    else:
        step = "check the network (a package index must be in reach), then run the command again"
    raise OrreryError(f"could not set up the {name} environment", next_step=step, details=output)


def main(arguments: list[str]) -> int:
    """Make the environments named on the command line; return the exit code."""
    try:
        for name in arguments or ["engine"]:
            ensure(name, say=lambda line: print(line, file=sys.stderr))
    except OrreryError as error:
        print(f"error: {error.what}\nnext: {error.next_step}", file=sys.stderr)
        if error.details:
            print(error.details, file=sys.stderr)
        return error.code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
