"""Spark on this machine: an environment and a Java, no service; each job brings its own Spark up and ends it.

A stack asks for it by ``environments = ["spark"]`` in its ``stack.toml``. Why there is no daemon:
``docs/adr/0023-spark-without-a-service.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra import envs
from infra.local import java
from infra.paths import LOCAL

ENVIRONMENT = "spark"


def python(say: Callable[[str], None]) -> Path:
    """Return the interpreter that has Spark; made when it is missing.

    Parameters
    ----------
    say : callable
        Receives one line before something slow happens.

    Raises
    ------
    OrreryError
        There is no Java 17, or the environment can't be made.
    """
    java.home()  # first: without it the environment, of a gigabyte, is of no use
    return envs.ensure(ENVIRONMENT, say)


def environment(name: str) -> dict[str, str]:
    """Return what a Spark job's process needs in its environment, beside the stack's own variables.

    Parameters
    ----------
    name : str
        Whose files they are: a stack's slug. Jobs that run at the same time may share it.
    """
    return {"JAVA_HOME": str(java.home()), "SPARK_FOLDER": str(folder(name))}


def folder(name: str) -> Path:
    """Return where the jobs of a stack keep Spark's own files on this machine; ``destroy`` removes it."""
    return LOCAL / "spark" / name
