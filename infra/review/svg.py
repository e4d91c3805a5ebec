"""The review as a picture: the verdict, the counts, and what depends on what changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from infra.review.model import ACTIONS, Review

COLOURS = {"none": "#57606a", "low": "#1a7f37", "medium": "#9a6700", "high": "#cf222e"}
BAR = {
    "create": "#1a7f37",
    "delete": "#cf222e",
    "forget": "#8250df",
    "move": "#57606a",
    "replace": "#bc4c00",
    "update": "#0969da",
}
WIDTH, MARGIN = 960, 24
BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 250, 30, 54, 10
LETTER = 6.7  # pixels a letter at 12 px, rounded up, so that a label never leaves its box
MOST_NODES = 60


def render(review: Review) -> str:
    """Draw the review as SVG, with a title and a description that a screen reader reads."""
    head = _head(review)
    graph, height = _graph(review, top=132)
    total = max(150, height + MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {total}" width="{WIDTH}" height="{total}" '
            'role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">',
            f'<title id="title">{escape(review.verdict)}</title>',
            f'<desc id="desc">{escape(_description(review))}</desc>',
            f'<rect width="{WIDTH}" height="{total}" fill="#ffffff" rx="8"/>',
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#57606a"/></marker></defs>',
            *head,
            *graph,
            "</svg>",
            "",
        ]
    )


def _description(review: Review) -> str:
    radius = review.blast
    reached = ", ".join(node for node, _ in radius.reached) or "nothing else"
    return f"{review.base} to {review.head}. Changed: {', '.join(radius.changed) or 'nothing'}. Reached: {reached}."


def _head(review: Review) -> list[str]:
    """Draw the verdict and a bar of the changes by action."""
    colour = COLOURS[review.level]
    out = [
        f'<rect x="{MARGIN}" y="{MARGIN}" width="8" height="40" rx="3" fill="{colour}"/>',
        f'<text x="{MARGIN + 20}" y="{MARGIN + 16}" font-size="16" font-weight="600" fill="#1f2328">'
        f"{escape(_cut(review.verdict, 105))}</text>",
        f'<text x="{MARGIN + 20}" y="{MARGIN + 37}" fill="#57606a">{escape(review.base)} → {escape(review.head)} · '
        f"risk: {review.level}</text>",
    ]
    total, x = sum(review.counts.values()), float(MARGIN)
    label = MARGIN
    for action in ACTIONS:
        count = review.counts.get(action, 0)
        if count:
            width = (WIDTH - 2 * MARGIN) * count / total
            out.append(f'<rect x="{x:.1f}" y="80" width="{width:.1f}" height="10" fill="{BAR[action]}"/>')
            text = f"{count} to {action}"
            out.append(f'<rect x="{label}" y="99" width="9" height="9" fill="{BAR[action]}"/>')
            out.append(f'<text x="{label + 14}" y="108" fill="#1f2328">{text}</text>')
            x, label = x + width, label + 14 + round(len(text) * LETTER) + 18
    return out


def _graph(review: Review, top: int) -> tuple[list[str], int]:
    """Draw the modules in columns by their distance from what changes."""
    steps = dict.fromkeys(review.blast.changed, 0) | dict(review.blast.reached)
    if not review.blast.reached:
        return [], top
    shown = sorted(steps, key=lambda node: (steps[node], node))[:MOST_NODES]
    columns: dict[int, list[str]] = {}
    for node in shown:
        columns.setdefault(min(steps[node], 2), []).append(node)
    place = {
        node: (MARGIN + column * (BOX_WIDTH + GAP_X), top + row * (BOX_HEIGHT + GAP_Y))
        for column, nodes in columns.items()
        for row, node in enumerate(nodes)
    }
    out = [line for edge in review.blast.edges if (line := _edge(edge, place))]
    for node, (x, y) in sorted(place.items()):
        changed = steps[node] == 0
        stroke, width = ("#cf222e", 2) if changed else ("#8c959f", 1)
        out.append(
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5" fill="#f6f8fa" stroke="{stroke}" '
            f'stroke-width="{width}"/>'
        )
        label = _cut(node.replace("/module.", " · "), int((BOX_WIDTH - 16) / LETTER))
        out.append(f'<text x="{x + 8}" y="{y + 19}" fill="#1f2328">{escape(label)}</text>')
    bottom = max(y for _, y in place.values()) + BOX_HEIGHT
    if len(steps) > len(shown):
        bottom += 22
        out.append(
            f'<text x="{MARGIN}" y="{bottom}" fill="#57606a">{len(steps) - len(shown)} more are not drawn</text>'
        )
    return out, bottom


def _edge(edge: Sequence[str], place: Mapping[str, tuple[int, int]]) -> str:
    """Draw an arrow from one column to a later one; within a column the order says enough."""
    if edge[0] not in place or edge[1] not in place or place[edge[0]][0] >= place[edge[1]][0]:
        return ""
    (x1, y1), (x2, y2) = place[edge[0]], place[edge[1]]
    x1, y1, y2, half = x1 + BOX_WIDTH, y1 + BOX_HEIGHT // 2, y2 + BOX_HEIGHT // 2, GAP_X // 2
    return (
        f'<path d="M{x1} {y1}C{x1 + half} {y1} {x2 - half} {y2} {x2 - 1} {y2}" fill="none" stroke="#57606a" '
        'stroke-opacity="0.55" marker-end="url(#tip)"/>'
    )


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
