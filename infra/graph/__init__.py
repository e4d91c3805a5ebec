"""Draws a stack's architecture from what Terraform gets: `read` says what is in it, `draw` shows it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from infra.errors import OrreryError

if TYPE_CHECKING:
    from infra.catalog import StackInfo
    from infra.graph.model import Picture

FILE = "architecture.svg"
"""The picture's name in the folder of its stack; the README there shows it."""


@cache
def read(info: StackInfo) -> Picture:
    """Synthesise a stack for AWS and return what its picture shows.

    Raises
    ------
    OrreryError
        The stack is broken, or one of its modules says wrongly how it is drawn.
    """
    from infra import stack, targets
    from infra.graph import model
    from infra.paths import STATE

    folder = STATE / "stacks" / info.slug / "offline"
    _, configuration = stack.create(info, targets.offline(), folder, packages=False)
    return model.read(configuration, f"{info.id}: {info.title}", info.summary)


def draw(info: StackInfo) -> str:
    """Return a stack's architecture as SVG; see `read` for what it raises."""
    from infra.graph import svg

    return svg.draw(read(info))


def as_markdown(info: StackInfo) -> str:
    """Return the picture as a README shows it, with its arrows in words for those who can't see it."""
    from infra.graph import svg

    return f"![{svg.alt_text(read(info))}]({FILE})"


def write(info: StackInfo, file: Path) -> None:
    """Write a stack's architecture to a file.

    Raises
    ------
    OrreryError
        The file can't be written; and see `read`.
    """
    drawn = draw(info)
    try:
        file.write_text(drawn)
    except OSError as error:
        raise OrreryError(
            f"cannot write {file}: {error.strerror}",
            next_step="name a file in a folder that is there and writable: --output FILE, or - for the terminal",
        ) from error
