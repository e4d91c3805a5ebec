"""The one exception that users see."""

from __future__ import annotations


class OrreryError(Exception):
    """Something is wrong that the user can mend.

    Parameters
    ----------
    what : str
        What is wrong, in one line.
    next_step : str, optional
        What to do about it, in one line.
    details : str, optional
        What ``--verbose`` shows: output of a tool, a traceback, a list.
    code : int
        Exit code of the command, 1 to 125.
    """

    def __init__(self, what: str, *, next_step: str = "", details: str = "", code: int = 1) -> None:
        super().__init__(what)
        self.what = what
        self.next_step = next_step
        self.details = details
        self.code = code

    def __str__(self) -> str:
        """Return the line and, behind it, the next step."""
        return f"{self.what} (next: {self.next_step})" if self.next_step else self.what
