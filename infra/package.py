"""Zips of functions: the same bytes for the same inputs, built once, run by the emulator as deployed.

The dependencies are installed from the function's hash-locked ``requirements.txt`` as manylinux wheels for the
runtime, not for this machine. They are zipped once per lock file; the code is appended, so a changed line costs
milliseconds and not the compression of pandas.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.errors import OrreryError
from infra.paths import CACHE, ROOT

LAMBDAS = ROOT / "lambdas"
UNZIPPED_LIMIT = 250 * 1024 * 1024  # AWS Lambda quotas: function package, unzipped
_FORMAT = "2"  # raise when the layout changes, so that old zips are not reused
_SKIP_FOLDERS = {"__pycache__", "tests", "test", "bin", "include", "benchmarks"}
_SKIP_SUFFIXES = (".pyc", ".pyi", ".pyx", ".pxd", ".h", ".c", ".exe", ".a")


@dataclass(frozen=True)
class Package:
    """A function's zip, or that of Spark jobs.

    Parameters
    ----------
    path : str
        Absolute path of the zip.
    sha256 : str
        Base64 of its SHA-256, as Lambda and Terraform compare it.
    runtime : str
        Such as ``python3.12``; empty for code that brings no dependencies.
    size : int
        Bytes.
    """

    path: str
    sha256: str
    runtime: str
    size: int


def build_package(name: str, sources: Sequence[Path], *, python: str, machine: str) -> Package:
    """Build the zip of ``lambdas/<name>/``, or take it from the cache.

    Parameters
    ----------
    name : str
        The folder below ``lambdas/``: ``handler.py`` and, where it has dependencies, ``requirements.txt``.
    sources : sequence of Path
        Folders of Python packages to put beside the handler.
    python : str
        The runtime's version, such as ``3.12``.
    machine : str
        ``x86_64`` or ``aarch64``.

    Raises
    ------
    OrreryError
        There is no such function, a dependency has no wheel, the result is too big, the disk is full.
    """
    folder = LAMBDAS / name
    if not (folder / "handler.py").exists():
        known = ", ".join(sorted(path.parent.name for path in LAMBDAS.glob("*/handler.py")))
        raise OrreryError(f"there is no function {name!r} in lambdas/", next_step=f"use one of: {known}")
    code = _code({**_files(folder, folder), **_merged(_files(source, source.parent) for source in sources)})
    code.pop("requirements.txt", None)
    lock = folder / "requirements.txt"
    locked = lock.read_bytes() if lock.exists() else b""
    base_key = _digest(_FORMAT.encode(), python.encode(), machine.encode(), locked)
    key = _digest(base_key.encode(), *_contents(code))
    return _cached(
        name,
        key,
        code,
        lambda: _dependencies(name, lock, base_key, python, machine) if locked else None,
        f"python{python}",
    )


def build_code(name: str, sources: Sequence[Path]) -> Package:
    """Build a zip of Python packages alone, or take it from the cache: what Spark takes as ``--py-files``.

    Parameters
    ----------
    name : str
        For the file's name.
    sources : sequence of Path
        Folders of Python packages.

    Raises
    ------
    OrreryError
        A folder is not there or holds no code, the disk is full.
    """
    for source in sources:
        if not next(source.glob("*.py"), None):
            raise OrreryError(f"{source} holds no Python code", next_step="name folders of Python packages")
    code = _code(_merged(_files(source, source.parent) for source in sources))
    return _cached(name, _digest(_FORMAT.encode(), *_contents(code)), code, lambda: None, "")


def _code(files: dict[str, Path]) -> dict[str, Path]:
    """Return the files that are code, or data that code reads."""
    return {key: path for key, path in files.items() if path.suffix in (".py", ".sql", ".json", ".pem", ".txt")}


def _contents(code: dict[str, Path]) -> Iterable[bytes]:
    return (part for name, path in code.items() for part in (name.encode(), path.read_bytes()))


def _cached(name: str, key: str, code: dict[str, Path], make_base: Callable[[], Path | None], runtime: str) -> Package:
    """Return the zip with a key, written when it is not there: on what `make_base` returns, if it does."""
    target = CACHE / "packages" / f"{name}-{key}.zip"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target.parent / f"{name}.lock", "w") as mutex:
            fcntl.flock(mutex, fcntl.LOCK_EX)
            if not target.exists():
                _write(target, make_base(), code)
    except OSError as error:
        raise OrreryError(
            f"could not write the package of {name}: {error.strerror}",
            next_step=f"free some disk space below {CACHE}, then run the command again",
        ) from error
    digest = base64.b64encode(hashlib.sha256(target.read_bytes()).digest()).decode()
    return Package(str(target), digest, runtime, target.stat().st_size)


def _dependencies(name: str, lock: Path, key: str, python: str, machine: str) -> Path:
    """Return a zip with the locked dependencies only."""
    base = CACHE / "packages" / f"dependencies-{key}.zip"
    if base.exists():
        return base
    from infra.envs import _uv  # the same uv that makes the environments

    with tempfile.TemporaryDirectory(dir=base.parent) as scratch:
        command = [_uv(lambda line: None), "pip", "install", "--quiet", "--target", scratch]
        command += ["--python-version", python, "--python-platform", f"{machine}-manylinux_2_28"]
        command += ["--only-binary", ":all:", "--no-deps", "--require-hashes", "-r", str(lock)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise OrreryError(
                f"could not install the dependencies of {name} for Python {python} on {machine}",
                next_step=f"check the network and {lock.relative_to(ROOT)}",
                details=done.stderr.strip(),
            )
        files = _files(Path(scratch), Path(scratch))
        kept = {key: path for key, path in files.items() if not path.name.endswith(_SKIP_SUFFIXES)}
        size = sum(path.stat().st_size for path in kept.values())
        if size > UNZIPPED_LIMIT:
            raise OrreryError(
                f"the dependencies of {name} take {size >> 20} MB; AWS Lambda allows {UNZIPPED_LIMIT >> 20} MB",
                next_step=f"drop some from lambdas/{name}/requirements.in",
            )
        _write(base, None, kept)
    return base


def _write(target: Path, base: Path | None, files: dict[str, Path]) -> None:
    """Write a zip whose bytes depend on nothing but the files' names and contents."""
    temporary = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    try:
        if base:
            shutil.copyfile(base, temporary)
        with zipfile.ZipFile(temporary, "a" if base else "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, path in sorted(files.items()):
                entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                entry.create_system = 3
                archive.writestr(entry, path.read_bytes())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _files(folder: Path, relative_to: Path) -> dict[str, Path]:
    """Return the files below a folder by their name in the zip, without tests, caches and metadata records."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(relative_to)
        if path.is_dir() or _SKIP_FOLDERS & set(within.parts[:-1]) or path.name in ("RECORD", "INSTALLER", ".lock"):
            continue
        if path.suffix != ".pyc":
            found[within.as_posix()] = path
    return found


def _merged(parts: Iterable[dict[str, Path]]) -> dict[str, Path]:
    merged: dict[str, Path] = {}
    for part in parts:
        merged |= part
    return merged


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:24]
