"""What the user sees while a command works: results on stdout, progress and errors on stderr.

Progress appears only on a terminal and only after two seconds; ``NO_COLOR`` and pipes get plain lines.
"""

from __future__ import annotations

import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

PATIENCE_S = 2.0


def _silence() -> None:
    """Let what is still to be printed vanish: Python's own flush at the end would complain once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


class Ui:
    """The voice of one command.

    Parameters
    ----------
    verbose : bool
        Show the commands that are run and the details behind an error.
    """

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose

    def say(self, line: str = "") -> None:
        """Print one line of a result; once its reader has gone (``| head``), nothing, and the command goes on."""
        try:
            print(line, flush=True)
        except BrokenPipeError:
            _silence()

    def note(self, line: str) -> None:
        """Print one line about the progress, beside the results."""
        print(line, file=sys.stderr, flush=True)

    def command(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Show a command that is about to run, where ``--verbose`` asks for it."""
        if self.verbose:
            shown = " ".join(f"{key}={value}" for key, value in (environment or {}).items())
            self.note(f"$ {shown + ' ' if shown else ''}{shlex.join(command)}")

    @contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show a spinner with a text while the block runs, on a terminal and from the third second on.

        Yields
        ------
        callable
            Replaces the text.
        """
        if not sys.stderr.isatty():
            yield lambda line: None
            return
        from rich.console import Console  # lazy: pipes and quick commands never pay for it
        from rich.status import Status

        status = Status(text, console=Console(stderr=True), spinner="dots")
        timer = threading.Timer(PATIENCE_S, status.start)
        timer.daemon = True
        timer.start()
        try:
            yield lambda line: status.update(f"{text}: {line}")
        finally:
            timer.cancel()
            timer.join()  # it may be starting the spinner at this moment
            status.stop()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str = "") -> None:
        """Print a table: as wide as the terminal, or unfolded with a tab between columns in a pipe."""
        if not sys.stdout.isatty():
            for row in [columns, *rows]:
                self.say("\t".join(str(cell) for cell in row))
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        header = "" if os.environ.get("NO_COLOR") else "bold"
        table = Table(
            *columns, title=title or None, title_justify="left", header_style=header, box=None, pad_edge=False
        )
        for row in rows:
            table.add_row(*(Text(str(cell)) for cell in row))  # as it is: brackets in it are no markup
        Console().print(table)
