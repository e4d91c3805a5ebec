"""A laid-out picture as SVG: text as text, a description for those who hear it, colours for light and dark pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import ceil
from xml.sax.saxutils import escape

from infra.graph import layout
from infra.graph.icons import ICONS
from infra.graph.model import KINDS, MARKS, Arrow, Box, Heads, Picture

Points = tuple[tuple[int, int], ...]

BOX_WIDTHS = (150, 216)
HEAD = 58  # the title's room, margin included
TEXT_LEFT, TEXT_RIGHT = 50, 12  # within a box, around its text
TITLE_SIZE, LABEL_SIZE, HEADING_SIZE = 13.5, 12, 16
LEGEND_ROW, LEGEND_SWATCH, LEGEND_WIDTH = 26, 44, 560
CORNER = 8
ARROWHEAD = 8
MARK = 9  # radius
ALT_LIMIT = 900  # characters

_NARROW, _WIDE = set("fijlrtI.,:;'!|()[]/ "), set("mwMW@%")
_LIGHT = {
    "page": "#ffffff", "rim": "#d0d7de", "frame": "#f6f8fa", "box": "#ffffff", "edge": "#8c959f", "text": "#1f2328",
    "muted": "#59636e", "tile": "#ddf4ff", "icon": "#0550ae", "request": "#1a7f37", "trigger": "#bc4c00",
    "data": "#0969da", "replication": "#8250df", "failure": "#cf222e", "alarm": "#6e7781",
}  # fmt: skip
_DARK = {
    "page": "#0d1117", "rim": "#30363d", "frame": "#151b23", "box": "#0d1117", "edge": "#6e7681", "text": "#f0f6fc",
    "muted": "#b1bac4", "tile": "#0c2d4d", "icon": "#79c0ff", "request": "#3fb950", "trigger": "#f0883e",
    "data": "#4493f8", "replication": "#ab7df8", "failure": "#f85149", "alarm": "#9198a1",
}  # fmt: skip
_DASHES = {"replication": "9 4", "failure": "5 4", "alarm": "2 4"}
_SAYS = {
    ("request", "end"): "{0} leads requests to {1}",
    ("trigger", "end"): "{0} starts {1}",
    ("data", "end"): "{0} writes to {1}",
    ("data", "start"): "{0} reads {1}",
    ("data", "both"): "{0} reads and writes {1}",
    ("replication", "end"): "{0} is replicated to {1}",
    ("replication", "both"): "{0} and {1} are replicated to each other",
    ("failure", "end"): "{0} leaves failed events in {1}",
    ("alarm", "end"): "{0} reports to {1}",
}


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the room that a text needs at most, in pixels: an estimate from the widest of the usual fonts."""
    units = sum(
        0.38 if each in _NARROW else 1.0 if each in _WIDE else 0.72 if each.isupper() else 0.63 for each in text
    )
    return units * size * (1.1 if bold else 1.0)


def fit(text: str, width: float, size: float, *, bold: bool = False) -> str:
    """Return the text, or as much of its beginning as fits, with an ellipsis."""
    if text_width(text, size, bold=bold) <= width:
        return text
    while text and text_width(text + "…", size, bold=bold) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def box_width(boxes: Sequence[Box]) -> int:
    """Return the width of all boxes of a picture: the longest text fits, within limits."""
    texts = [text_width(box.title, TITLE_SIZE, bold=True) for box in boxes]
    texts += [text_width(box.label, LABEL_SIZE) for box in boxes]
    wanted = TEXT_LEFT + max(texts, default=0) + TEXT_RIGHT
    return min(max(ceil(wanted), BOX_WIDTHS[0]), BOX_WIDTHS[1])


def describe(picture: Picture) -> str:
    """Return the picture in words: what stands where, then what the arrows say."""
    parts = []
    for frame in ["", *picture.frames]:
        inside = [f"{box.title} ({box.label}{_marked(box)})" for box in picture.boxes if box.frame == frame]
        if inside:
            parts.append(f"{frame or 'Outside of the regions'}: {', '.join(inside)}.")
    return "\n".join([f"{picture.summary}.", *parts, *_sentences(picture)])


def alt_text(picture: Picture) -> str:
    """Return the arrows in words, as far as an alternative text should go."""
    text = f"{picture.title}."
    for index, sentence in enumerate(sentences := _sentences(picture)):
        if len(text) + len(sentence) > ALT_LIMIT:
            return f"{text} And {len(sentences) - index} arrows more."
        text += f" {sentence}"
    return text


def draw(picture: Picture) -> str:
    """Lay a picture out and return it as SVG."""
    width = box_width(picture.boxes)
    plan = layout.arrange(picture, width, HEAD)
    legend, legend_width, rows = _legend(picture, plan)
    page_width = max(
        plan.width, legend_width, round(text_width(picture.title, HEADING_SIZE, bold=True)) + 2 * layout.MARGIN
    )
    page_height = plan.height + (rows * LEGEND_ROW + 8 if rows else 0)
    icons = sorted(
        {"cloud"}
        | {box.icon for box in picture.boxes}
        | {MARKS[mark][0] for box in picture.boxes for mark in box.marks}
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {page_width} {page_height}" width="{page_width}" '
        f'height="{page_height}" role="img" aria-labelledby="title desc" '
        "font-family=\"system-ui, 'DejaVu Sans', Verdana, sans-serif\">",
        f'<title id="title">{escape(picture.title)}</title>',
        f'<desc id="desc">{escape(describe(picture))}</desc>',
        *_style(),
        "<defs>",
        *(f'<symbol id="{icon}" viewBox="0 0 24 24">{ICONS[icon]}</symbol>' for icon in icons),
        "</defs>",
        f'<rect class="page" x="0.5" y="0.5" width="{page_width - 1}" height="{page_height - 1}" rx="10"/>',
        f'<text class="heading" x="{layout.MARGIN}" y="{HEAD - 20}">{escape(picture.title)}</text>',
        *_frames(plan),
        *_wires(plan),
        *(line for box in picture.boxes for line in _box(box, plan.boxes[box.id])),
        *legend,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _style() -> Iterator[str]:
    yield "<style>"
    yield f".heading {{ font-size: {HEADING_SIZE}px; font-weight: 600; }}"
    yield f".title {{ font-size: {TITLE_SIZE}px; font-weight: 600; }}"
    yield f".label {{ font-size: {LABEL_SIZE}px; }}"
    yield ".region { font-weight: 600; }"
    yield ".frame, .box, .page, .mark { stroke-width: 1.2; } .copy { stroke-dasharray: 5 3; }"
    yield ".icon { fill: none; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round; }"
    yield ".wire { fill: none; stroke-width: 1.7; }"
    for kind, dashes in _DASHES.items():
        yield f".wire.{kind} {{ stroke-dasharray: {dashes}; }}"
    yield from _colours(_LIGHT)
    yield "@media (prefers-color-scheme: dark) {"
    yield from _colours(_DARK)
    yield "}"
    yield "</style>"


def _colours(colour: Mapping[str, str]) -> Iterator[str]:
    """Yield the rules that depend on the page being light or dark."""
    yield f".page {{ fill: {colour['page']}; stroke: {colour['rim']}; }}"
    yield f".frame {{ fill: {colour['frame']}; stroke: {colour['rim']}; }}"
    yield f".box, .mark {{ fill: {colour['box']}; stroke: {colour['edge']}; }}"
    yield f".heading, .title {{ fill: {colour['text']}; }} .label {{ fill: {colour['muted']}; }}"
    yield f".tile {{ fill: {colour['tile']}; }} .icon {{ stroke: {colour['icon']}; }}"
    for kind in KINDS:
        yield f".wire.{kind} {{ stroke: {colour[kind]}; }} .head.{kind} {{ fill: {colour[kind]}; }}"


def _frames(plan: layout.Layout) -> Iterator[str]:
    for name, frame in plan.frames.items():
        yield f'<rect class="frame" {_rect(frame)} rx="10"/>'
        yield _icon("cloud", frame.x + 14, frame.y + 10, 16)
        yield f'<text class="label region" x="{frame.x + 36}" y="{frame.y + 22}">{escape(name)}</text>'


def _box(box: Box, place: layout.Rect) -> Iterator[str]:
    """Yield a box: tile with icon, title and label beside it, marks on its upper edge."""
    middle = place.y + place.height // 2
    room = place.width - TEXT_LEFT - TEXT_RIGHT
    yield f"<g><title>{escape(f'{box.title}: {box.label}{_marked(box)}')}</title>"
    yield f'<rect class="box{" copy" if box.replica else ""}" {_rect(place)} rx="8"/>'
    yield f'<rect class="tile" x="{place.x + 10}" y="{middle - 16}" width="32" height="32" rx="7"/>'
    yield _icon(box.icon, place.x + 15, middle - 11, 22)
    title = fit(box.title, room, TITLE_SIZE, bold=True)
    yield f'<text class="title" x="{place.x + TEXT_LEFT}" y="{middle - 3}">{escape(title)}</text>'
    label = fit(box.label, room, LABEL_SIZE)
    yield f'<text class="label" x="{place.x + TEXT_LEFT}" y="{middle + 14}">{escape(label)}</text>'
    for index, mark in enumerate(reversed(box.marks)):
        yield from _mark(mark, place.x + place.width - 18 - index * (2 * MARK + 4), place.y)
    yield "</g>"


def _mark(mark: str, x: int, y: int) -> Iterator[str]:
    yield f'<circle class="mark" cx="{x}" cy="{y}" r="{MARK}"/>'
    yield _icon(MARKS[mark][0], x - 6, y - 6, 12)


def _icon(icon: str, x: int, y: int, size: int) -> str:
    return f'<use class="icon" href="#{icon}" x="{x}" y="{y}" width="{size}" height="{size}"/>'


def _rect(place: layout.Rect) -> str:
    return f'x="{place.x}" y="{place.y}" width="{place.width}" height="{place.height}"'


def _wires(plan: layout.Layout) -> Iterator[str]:
    """Yield all lines, then all heads above them. What lines share is drawn once: dashes would fill each other."""
    heads: set[str] = set()
    drawn: dict[str, list[Points]] = defaultdict(list)
    for wire in plan.wires:
        start, end = _ends(wire)
        heads |= {_head(wire, 0)} if start else set()
        heads |= {_head(wire, -1)} if end else set()
        others, points = drawn[wire.arrow.kind], wire.points
        first = max((_shared(points, each) for each in others), default=0) - 2 * CORNER
        last = max((_shared(points[::-1], each[::-1]) for each in others), default=0) - 2 * CORNER
        others.append(points)
        if max(first, 0) + max(last, 0) >= sum(_distance(*piece) for piece in pairwise(points)):
            continue
        if first > 0:
            start, points = False, _without(points, first)
        if last > 0:
            end, points = False, _without(points[::-1], last)[::-1]
        yield f'<path class="wire {wire.arrow.kind}" d="{_path(points, start, end)}"/>'
    yield from sorted(heads)


def _shared(one: Points, other: Points) -> int:
    """Return how far two lines run together from their beginning."""
    length = 0
    if one[0] != other[0]:
        return length
    for (a, b), (_, d) in zip(pairwise(one), pairwise(other), strict=False):
        near = min(_distance(a, b), _distance(a, d))
        if _towards(a, b, near) != _towards(a, d, near):
            break
        length += near
        if b != d:
            break
    return length


def _without(points: Points, length: int) -> Points:
    """Return the line without so much of its beginning."""
    while _distance(points[0], points[1]) <= length and len(points) > 2:
        length -= _distance(points[0], points[1])
        points = points[1:]
    return (_towards(points[0], points[1], length), *points[1:])


def _ends(wire: layout.Wire) -> tuple[bool, bool]:
    """Return whether there is a head at the first and at the last point of a wire."""
    heads = wire.arrow.heads != "end", wire.arrow.heads != "start"
    return heads[::-1] if wire.reversed else heads


def _head(wire: layout.Wire, index: int) -> str:
    """Return an arrowhead at one end of a wire; it points along the wire's last piece."""
    (x, y), (beside, _) = wire.points[index], wire.points[1 if index == 0 else -2]
    back = ARROWHEAD if beside > x else -ARROWHEAD
    return f'<path class="head {wire.arrow.kind}" d="M{x} {y}l{back} -4.5v9z"/>'


def _path(points: Points, start: bool, end: bool) -> str:
    """Return a line with round corners; it stops within its heads, so that their points stay sharp."""
    ends = list(points)
    for index, beside, headed in ((0, 1, start), (-1, -2, end)):
        if headed:
            x, y = points[index]
            ends[index] = (x + (ARROWHEAD - 2 if points[beside][0] > x else 2 - ARROWHEAD), y)
    parts = [f"M{ends[0][0]} {ends[0][1]}"]
    for before, corner, after in zip(ends, ends[1:], ends[2:], strict=False):
        radius = min(CORNER, _distance(before, corner) // 2, _distance(corner, after) // 2)
        arrive, leave = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(f"L{arrive[0]} {arrive[1]}Q{corner[0]} {corner[1]} {leave[0]} {leave[1]}")
    return "".join([*parts, f"L{ends[-1][0]} {ends[-1][1]}"])


def _distance(one: tuple[int, int], other: tuple[int, int]) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(point: tuple[int, int], goal: tuple[int, int], step: int) -> tuple[int, int]:
    def move(at: int, to: int) -> int:
        return at + (step if to > at else -step if to < at else 0)

    return move(point[0], goal[0]), move(point[1], goal[1])


def _legend(picture: Picture, plan: layout.Layout) -> tuple[list[str], int, int]:
    """Return the legend below the drawing, its right end, and how many rows it takes."""
    entries: list[tuple[int, str, Callable[[int, int], Iterator[str]]]] = []
    for kind in KINDS:
        if any(arrow.kind == kind for arrow in picture.arrows):
            entries.append((LEGEND_SWATCH, KINDS[kind], partial(_sample, kind)))
    for mark, (_, meaning) in MARKS.items():
        if any(mark in box.marks for box in picture.boxes):
            entries.append((2 * MARK + 8, meaning, partial(_mark, mark)))
    rows, x, right = 0, plan.width, 0
    lines: list[str] = []
    for room, text, sample in entries:
        width = room + round(text_width(text, LABEL_SIZE)) + 20
        if x + width > max(plan.width, LEGEND_WIDTH) - layout.MARGIN + 20:
            rows, x = rows + 1, layout.MARGIN
        y = plan.height + rows * LEGEND_ROW - LEGEND_ROW // 2
        lines += sample(x + (MARK if room < LEGEND_SWATCH else 0), y)
        lines.append(f'<text class="label" x="{x + room}" y="{y + 4}">{escape(text)}</text>')
        x += width
        right = max(right, x - 20 + layout.MARGIN)
    return lines, right, rows


def _sample(kind: str, x: int, y: int) -> Iterator[str]:
    """Yield a short arrow for the legend."""
    heads: Heads = "both" if kind == "replication" else "end"
    wire = layout.Wire(Arrow(kind, "", "", heads), ((x, y), (x + LEGEND_SWATCH - 8, y)))
    start, end = _ends(wire)
    yield f'<path class="wire {kind}" d="{_path(wire.points, start, end)}"/>'
    yield from ([_head(wire, 0)] if start else []) + [_head(wire, -1)]


def _sentences(picture: Picture) -> list[str]:
    """Return what each arrow says."""
    name = {box.id: _name(picture, box) for box in picture.boxes}
    arrows = sorted(picture.arrows, key=lambda arrow: list(KINDS).index(arrow.kind))
    return [f"{_SAYS[each.kind, each.heads].format(name[each.source], name[each.target])}." for each in arrows]


def _name(picture: Picture, box: Box) -> str:
    """Return a box's title, with its frame where another box has the same."""
    alike = sum(each.title == box.title for each in picture.boxes)
    return f"{box.title} in {box.frame}" if alike > 1 and box.frame else box.title


def _marked(box: Box) -> str:
    return "".join(f", {MARKS[mark][1]}" for mark in box.marks)
