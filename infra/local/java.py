"""Java as the engine asks for it: found, or an error that says what to install."""

from __future__ import annotations

from pathlib import Path

import jobs.java
from infra.errors import OrreryError


def home() -> Path:
    """Return what ``JAVA_HOME`` has to be for Spark and Debezium.

    Raises
    ------
    OrreryError
        There is no Java 17.
    """
    try:
        return jobs.java.home()
    except jobs.java.JavaNotFoundError as error:
        raise OrreryError(str(error), next_step=jobs.java.INSTALL) from error
