"""Which column each box stands in: ways go from left to right."""

from __future__ import annotations

from functools import cache

from infra.graph.model import KINDS, Picture


def columns(picture: Picture) -> tuple[dict[str, int], int]:
    """Return the column of each box that has arrows, and the first column of the frames."""
    boxes = {box.id: box for box in picture.boxes}
    after = _directed(picture)
    before = {box: {each for each in after if box in after[each]} for box in boxes}

    @cache
    def depth(box: str) -> int:
        alike = [each for each in before[box] if bool(boxes[each].frame) == bool(boxes[box].frame)]
        return max((depth(each) + 1 for each in alike), default=0)

    first = max((depth(box) + 1 for box in boxes if not boxes[box].frame), default=0)
    level = {box: depth(box) + (first if boxes[box].frame else 0) for box in boxes}
    last = max(level.values(), default=first)
    joined = {end for arrow in picture.arrows for end in (arrow.source, arrow.target)}
    found: dict[str, int] = {}
    for box in boxes:
        if before[box] or not boxes[box].frame:
            found[box] = level[box]
        elif after[box]:  # what starts a way stands right before what comes first
            found[box] = min(level[each] for each in after[box]) - 1
        elif box in joined and not boxes[box].aside:
            found[box] = last
    return found, first


def _directed(picture: Picture) -> dict[str, set[str]]:
    """Return what stands to the right of each box.

    That is what its arrows lead to, except where two arrows contradict each other: then that of the kind which comes
    first in `KINDS` decides. Replication has no say, because copies stand below each other.
    """
    boxes = {box.id: box for box in picture.boxes}
    after: dict[str, set[str]] = {box: set() for box in boxes}

    def leads(start: str, end: str) -> bool:
        seen, todo = set(), [start]
        while todo:
            each = todo.pop()
            if each not in seen:
                seen.add(each)
                todo += after[each]
        return end in seen

    for arrow in sorted(picture.arrows, key=lambda each: (list(KINDS).index(each.kind), each)):
        left, right = boxes[arrow.source], boxes[arrow.target]
        if arrow.kind == "replication" or left.aside or right.aside:
            continue
        if (left.frame and not right.frame) or (bool(left.frame) == bool(right.frame) and leads(right.id, left.id)):
            left, right = right, left
        after[left.id].add(right.id)
    return after
