"""A drill's report: Markdown for people, and the timeline as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from infra.drill.journal import Call, Event
from infra.drill.measure import Latencies, Measures, Missing, Window, percentile

SHOWN = 20
"""How many keys a list names before it only counts."""


def markdown(title: str, facts: Sequence[str], found: Measures, events: Sequence[Event], begin: float) -> str:
    """Write the report.

    Parameters
    ----------
    title : str
        Of the experiment.
    facts : sequence of str
        Under which conditions it ran, a line each.
    found : Measures
        What was measured.
    events : sequence of Event
        What happened, for the table of times.
    begin : float
        When the drill began, in seconds since the epoch.
    """
    lines = [f"# {title}", "", *[f"- {each}" for each in facts], ""]
    lines += [verdict(found), "", "![timeline](timeline.svg)", "", "| measured | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in rows(found)]
    lines += ["", "| phase | calls | failed | p50 ms | p95 ms | p99 ms |", "|---|--:|--:|--:|--:|--:|"]
    lines += [_phase(each) for each in found.latencies]
    lines += ["", "| s | what | region |", "|--:|---|---|"]
    lines += [f"| {each.at - begin:.1f} | {each.what} | {each.region} |" for each in events]
    for name, keys in (
        ("Out of reach at failover", [_missing(each) for each in found.out_of_reach]),
        ("Lost", [_missing(each) for each in found.lost]),
        ("Written twice", list(found.doubled)),
        ("Mixed", list(found.mixed)),
        ("Different in the regions", list(found.differing)),
        ("Read back in time", list(found.back_in_time)),
        ("Changed by an old write", list(found.late_effective)),
        ("Overruled by another writer", list(found.overruled)),
    ):
        lines += _named(name, keys)
    return "\n".join(lines) + "\n"


def verdict(found: Measures) -> str:
    """Return in a line whether the invariants held."""
    return f"**Broken: {'; '.join(found.broken)}.**" if found.broken else "All invariants held."


def rows(found: Measures) -> list[tuple[str, str]]:
    """Return what was measured, each with its value as text."""
    return [
        ("detection: the health check's verdict", _seconds(found.detection_s, "never")),
        ("failover: first good write of an affected client", _seconds(found.failover_s, "none before the fault ended")),
        ("RTO: served again for good", _seconds(found.rto_s, "not before the fault ended")),
        ("RPO: age of the oldest write out of reach", f"{found.rpo_s:.1f} s, {len(found.out_of_reach)} keys"),
        *[(f"  of {each.path}", f"{each.age_s:.1f} s, {each.keys} keys") for each in found.reach],
        ("writes acknowledged", f"{found.acknowledged:,} of {found.writes:,}"),
        ("reads answered", f"{found.reads:,}"),
        ("keys with lost writes, after failback", str(len(found.lost))),
        ("keys written twice", str(len(found.doubled))),
        ("keys mixed of two writes", str(len(found.mixed))),
        ("keys that differ between the regions", str(len(found.differing))),
        ("keys that a reader saw go back in time", str(len(found.back_in_time))),
        ("keys of several writers whose last write was overruled", str(len(found.overruled))),
        (
            "old writes sent again after the fault",
            f"{found.late}: {found.late_refused} refused, "
            + (f"{len(found.late_effective)} keys changed" if found.late_effective else "the others without effect"),
        ),
        ("alarms that fired", ", ".join(found.alarms) or "none"),
    ]


def line(found: Measures) -> str:
    """Return the most important figures in a line."""
    return (
        f"RTO {_seconds(found.rto_s, 'not before the end')}, RPO {found.rpo_s:.1f} s, "
        f"{found.acknowledged:,} of {found.writes:,} writes, {len(found.back_in_time)} keys back in time"
    )


def _seconds(value: float | None, none: str) -> str:
    return none if value is None else f"{value:.1f} s"


def _phase(each: Latencies) -> str:
    times = " | ".join(f"{value:.0f}" for value in (each.p50_ms, each.p95_ms, each.p99_ms))
    return f"| {each.phase} | {each.calls:,} | {each.failed:,} | {times} |"


def _missing(each: Missing) -> str:
    where = f" in {each.region}" if each.region else ""
    return f"`{each.key}`{where}: write {each.acknowledged} was acknowledged, {max(each.found, 0) or 'none'} is there"


def _named(title: str, keys: Sequence[str]) -> list[str]:
    if not keys:
        return []
    more = [f"- … {len(keys) - SHOWN} more in measures.json"] if len(keys) > SHOWN else []
    return ["", f"## {title}", "", *[f"- {each}" for each in keys[:SHOWN]], *more]


# ----------------------------------------------------------------------------------------------- timeline

WIDTH, LEFT, PLOT, GAP = 960, 64, 130, 46
MARKED = ("unhealthy", "healthy", "given up", "taken back")
STYLE = """text{font:12px system-ui,sans-serif;fill:#1f2933}.t{font-size:15px;font-weight:600}.fault{fill:#f6c9c2}
.ok{fill:#2f7d5b}.bad{fill:#b3261e}.axis{stroke:#9aa5b1}.p50{stroke:#2f7d5b}.p95{stroke:#1d5fa8}.p99{stroke:#7b3f98}
.line{fill:none;stroke-width:1.6}.mark{stroke:#1f2933;stroke-dasharray:3 3}.bg{fill:#fff}
@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.bg{fill:#12181f}.fault{fill:#5c2520}.mark{stroke:#e4e7eb}
.ok{fill:#4fb286}.bad{fill:#f2705f}.p50{stroke:#4fb286}.p95{stroke:#6fb1f2}.p99{stroke:#c58be0}}"""


def timeline(title: str, calls: Sequence[Call], events: Sequence[Event], window: Window) -> str:
    """Draw calls and latencies by the second, with the fault behind them, as SVG.

    Parameters
    ----------
    title : str
        Of the picture.
    calls, events : sequence
        The journal.
    window : Window
        The fault.
    """
    begin = min((each.at for each in calls), default=window.begin)
    length = max(1, math.ceil(max((each.end for each in calls), default=window.end) - begin))
    scale = (WIDTH - LEFT - 20) / length
    height = 46 + 2 * PLOT + GAP + 40

    def x(at: float) -> float:
        return LEFT + (at - begin) * scale

    seconds: list[list[Call]] = [[] for _ in range(length)]
    for each in calls:
        seconds[min(length - 1, int(each.end - begin))].append(each)
    words = f"{title}: {len(calls)} calls, {sum(not each.ok for each in calls)} failed."
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(words)}">',
        f"<title>{escape(words)}</title><style>{STYLE}</style>",
        f'<rect class="bg" width="{WIDTH}" height="{height}"/>',
        f'<text class="t" x="{LEFT}" y="24">{escape(title)}</text>',
        f'<rect class="fault" x="{x(window.begin):.1f}" y="46" height="{2 * PLOT + GAP}" '
        f'width="{max(1.0, (window.end - window.begin) * scale):.1f}"/>',
        f'<text x="{x(window.begin) + 4:.1f}" y="42">fault in {escape(window.region)}</text>',
        *_bars(seconds, 46, scale),
        *_lines(seconds, 46 + PLOT + GAP, scale),
        *_marks(events, x, 46 + 2 * PLOT + GAP),
        *[
            f'<text x="{x(begin + second):.1f}" y="{height - 12}" text-anchor="middle">{second} s</text>'
            for second in range(0, length + 1, max(1, length // 10))
        ],
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _bars(seconds: Sequence[Sequence[Call]], top: float, scale: float) -> list[str]:
    most = max((len(each) for each in seconds), default=1) or 1
    parts = [f'<text x="8" y="{top + 12}">calls/s</text>', f'<text x="8" y="{top + 28}">{most}</text>']
    for second, own in enumerate(seconds):
        good = sum(each.ok for each in own)
        bad = len(own) - good
        for count, below, kind in ((good, 0, "ok"), (bad, good, "bad")):
            if count:
                tall = count / most * (PLOT - 4)
                y = top + PLOT - (below + count) / most * (PLOT - 4)
                parts.append(
                    f'<rect class="{kind}" x="{LEFT + second * scale:.1f}" y="{y:.1f}" '
                    f'width="{max(0.8, scale * 0.85):.1f}" height="{tall:.1f}"/>'
                )
    return [*parts, _axis(top + PLOT)]


def _lines(seconds: Sequence[Sequence[Call]], top: float, scale: float) -> list[str]:
    """Draw percentiles on a logarithmic axis: they differ by orders of magnitude during a fault."""
    took = [sorted(max(1.0, each.took_s * 1000) for each in own if each.ok) for own in seconds]
    most = max((each[-1] for each in took if each), default=10.0)
    decades = max(1.0, math.ceil(math.log10(most)))

    def y(ms: float) -> float:
        return top + PLOT - math.log10(max(1.0, ms)) / decades * (PLOT - 4)

    parts = [f'<text x="8" y="{top - 12}">ms</text>']
    for exponent in range(int(decades) + 1):
        parts.append(f'<text x="{LEFT - 6}" y="{y(10.0**exponent) + 4:.1f}" text-anchor="end">{10**exponent:,}</text>')
    for number, (share, name) in enumerate(((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))):
        points = [
            f"{LEFT + (second + 0.5) * scale:.1f},{y(percentile(own, share)):.1f}"
            for second, own in enumerate(took)
            if own
        ]
        parts.append(f'<polyline class="line {name}" points="{" ".join(points)}"/>')
        at = WIDTH - 150 + number * 46
        parts.append(
            f'<path class="line {name}" d="M{at} {top - 8}h14"/><text x="{at + 17}" y="{top - 4}">{name}</text>'
        )
    return [*parts, _axis(top + PLOT)]


def _marks(events: Sequence[Event], x: Callable[[float], float], bottom: float) -> list[str]:
    parts = []
    for number, each in enumerate(each for each in events if each.what in MARKED):
        at = x(each.at)
        parts.append(f'<path class="mark" d="M{at:.1f} 46V{bottom:.1f}"/>')
        parts.append(f'<text x="{at + 3:.1f}" y="{46 + PLOT + 14 + 13 * (number % 2)}">{escape(each.what)}</text>')
    return parts


def _axis(y: float) -> str:
    return f'<path class="axis" d="M{LEFT} {y:.1f}H{WIDTH - 20}"/>'
