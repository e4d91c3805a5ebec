"""A static dashboard of a deployed stack: what a stack says is plain data, and here it becomes one HTML page.

A stack overrides `infra.stack.Stack.dashboard` and returns a `Dashboard`: figures and charts with their rows. The
charts are Vega-Lite specifications without data; they are drawn in an environment of their own (`infra.dashboard.draw`)
and shown by `infra.dashboard.page`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import OrreryError
from infra.paths import STATE

if TYPE_CHECKING:
    from infra.catalog import StackInfo
    from infra.output import Ui

FOLDER = STATE / "dashboards"


@dataclass(frozen=True)
class Figure:
    """One number that stands for itself at the top of the page.

    Parameters
    ----------
    label : str
        What is counted, such as "planets".
    value : int, float or str
        Numbers get their thousands separated; text is shown as it is, with its unit.
    """

    label: str
    value: int | float | str


@dataclass(frozen=True)
class Chart:
    """One chart, and what a reader sees in it.

    Parameters
    ----------
    title : str
        What is shown, such as "Discoveries per year".
    sentence : str
        What one sees, in one sentence; read out to those who can't see the chart.
    rows : sequence of mapping
        The data, each row with the same columns: texts, numbers, booleans, dates, None.
    spec : mapping
        A Vega-Lite specification (a single view, or layers) without data, size and colours: those are the page's.
    """

    title: str
    sentence: str
    rows: Sequence[Mapping[str, Any]]
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Dashboard:
    """What a stack shows of itself.

    Parameters
    ----------
    title : str
        The page's heading.
    lead : str
        One sentence or two below it.
    charts : sequence of Chart
        In the order in which they are read.
    figures : sequence of Figure
        A few big numbers.
    sources : mapping
        The tables that were read, and how many rows each has.
    """

    title: str
    lead: str
    charts: Sequence[Chart]
    figures: Sequence[Figure] = ()
    sources: Mapping[str, int] = field(default_factory=dict)


def dashboard(info: StackInfo, target: str, ui: Ui, output: Path | None = None) -> Path:
    """Read a deployed stack and write its dashboard.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    target : str
        local or aws.
    ui : Ui
        Where to show progress.
    output : Path, optional
        The file; ``.orrery/dashboards/<stack>.html`` unless given.

    Returns
    -------
    Path
        The file that was written. A page that was there before is replaced as a whole or not at all.

    Raises
    ------
    OrreryError
        The stack has no dashboard or isn't deployed, a chart can't be drawn, the file can't be written.
    """
    from infra import deploy, stack
    from infra.dashboard import draw, page

    kind = stack.load_class(info)
    if kind.dashboard is stack.Stack.dashboard:  # said before the local cloud is started for nothing
        raise OrreryError(f"{info.id} has no dashboard", next_step="see its README for what it shows, and how")
    read_at = datetime.now(UTC)
    shown = deploy.dashboard(info, target, ui)
    pictures = draw.draw(shown, ui)
    file = output or FOLDER / f"{info.slug}{'' if target == 'local' else f'-{target}'}.html"
    _write(file, page.page(shown, pictures, stack=info.id, target=target, read_at=read_at))
    return file


def _write(file: Path, text: str) -> None:
    fresh = file.with_name(f".{file.name}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(text)
        fresh.replace(file)
    except OSError as error:
        with suppress(OSError):
            fresh.unlink(missing_ok=True)
        raise OrreryError(
            f"cannot write {file}: {error.strerror}",
            next_step="name a file in a folder that is writable: --output FILE",
        ) from error
