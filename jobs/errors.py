"""Errors that a pipeline tells apart: a file that can never be loaded, and everything else."""

from __future__ import annotations


class FileRejected(Exception):
    """A file that no retry will mend: it goes to quarantine whole, and the next file is loaded.

    Parameters
    ----------
    code : str
        Machine-readable reason, e.g. ``gzip_bomb``; kept in the ledger and counted in metrics.
    message : str
        One line for people: what is wrong and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
