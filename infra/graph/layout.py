"""Where everything stands: boxes in columns from left to right, in frames from top to bottom, arrows in between.

The way of Sugiyama, Tagawa and Toda (1981), reduced to what stacks need: an arrow makes a column, the order within a
column saves crossings, an arrow that passes a column has a lane of its own there. So lines never meet a box. All
frames share the columns. What is global stands to the left of the frames.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import NamedTuple

from infra.graph import routes
from infra.graph.columns import columns
from infra.graph.model import Arrow, Box, Picture

BOX_HEIGHT = 52
GAP = 28  # between boxes of a column; marks stand half outside of their box
LANE_GAP = 22
PAD = 24  # inside of a frame
FRAME_TITLE = 34
FRAME_GAP = 28
MARGIN = 24  # around everything
SWEEPS = 8
ASIDE_COLUMNS = 3  # a frame gets so many columns for what stands aside, if its arrows need fewer


class Rect(NamedTuple):
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass
class Item:
    """What takes room in a column: a box, or the lane of an arrow that passes by; `y` is its middle."""

    id: str
    frame: str
    column: int
    height: float = 0
    y: float = 0

    @property
    def lane(self) -> bool:
        """Whether it is no box."""
        return self.height == 0


@dataclass(frozen=True)
class Wire:
    """An arrow's way as corner points from left to right; `reversed` where that is from its target to its source."""

    arrow: Arrow
    points: tuple[tuple[int, int], ...]
    reversed: bool = False


@dataclass(frozen=True)
class Layout:
    """The finished drawing, from (0, 0)."""

    width: int
    height: int
    frames: Mapping[str, Rect]
    boxes: Mapping[str, Rect]
    wires: tuple[Wire, ...]


def arrange(picture: Picture, box_width: int, top: int) -> Layout:
    """Lay a picture out.

    Parameters
    ----------
    picture : Picture
        What is to be drawn.
    box_width : int
        The width of all boxes.
    top : int
        The room above, for a title.
    """
    plan = _Plan(picture)
    bands = plan.place(top)
    channels = routes.route(plan.hops, plan.items, plan.last)
    lefts = plan.column_positions(box_width, channels)
    rects = {
        box.id: Rect(
            lefts[plan.items[box.id].column],
            round(plan.items[box.id].y - plan.items[box.id].height / 2),
            box_width,
            round(plan.items[box.id].height),
        )
        for box in picture.boxes
    }
    right = lefts[-1]
    frames = {
        name: Rect(lefts[plan.first] - PAD, start, right - lefts[plan.first] + PAD, end - start)
        for name, (start, end) in bands.items()
    }
    wires = [
        Wire(arrow, routes.way(hops, channels, lefts, box_width), hops[0].a.item != arrow.source)
        for arrow, hops in zip(picture.arrows, plan.ways, strict=True)
    ]
    bottom = max([rect.y + rect.height for rect in [*rects.values(), *frames.values()]], default=top)
    return Layout(right + MARGIN, bottom + MARGIN, frames, rects, tuple(wires))


class _Plan:
    """Columns, items and hops of one picture, and then their heights."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._boxes = {box.id: box for box in picture.boxes}
        self._column, self.first = columns(picture)
        self._asides = {frame: self._without_column(frame) for frame in picture.frames}
        most = max((len(boxes) for boxes in self._asides.values()), default=0)
        self.last = max([*self._column.values(), self.first, self.first - 1 + min(ASIDE_COLUMNS, most)])
        self._rows = {box: row for boxes in self._asides.values() for box, row in self._seat(boxes).items()}
        self.items = {box.id: Item(box.id, box.frame, self._column[box.id], BOX_HEIGHT) for box in picture.boxes}
        self.ways = [self._way(arrow) for arrow in picture.arrows]
        self.hops = sorted({hop for way in self.ways for hop in way})
        self._near: dict[str, list[str]] = defaultdict(list)
        for hop in self.hops:
            self._near[hop.a.item].append(hop.b.item)
            self._near[hop.b.item].append(hop.a.item)
        self._size_boxes()

    # -- columns -----------------------------------------------------------------------------------------------

    def _without_column(self, frame: str) -> list[Box]:
        boxes = [box for box in self._picture.boxes if box.frame == frame and box.id not in self._column]
        return sorted(boxes, key=lambda box: (not box.aside, box.id))

    def _seat(self, boxes: list[Box]) -> dict[str, int]:
        """Give what stands aside its column, and return its row below the others.

        Boxes with arrows (to their copies in other frames) take the last columns, where such arrows are.
        """
        joined = {end for arrow in self._picture.arrows for end in (arrow.source, arrow.target)}
        width = self.last - self.first + 1
        seats = [(row, column) for row in range(len(boxes)) for column in range(width)]
        rows: dict[str, int] = {}
        for box in boxes:
            free = [seat for seat in seats if seat[0] == seats[0][0]]
            row, column = free[-1] if box.id in joined else free[0]
            seats.remove((row, column))
            rows[box.id], self._column[box.id] = row, self.first + column
        return rows

    def _way(self, arrow: Arrow) -> list[routes.Hop]:
        """Return an arrow's hops from column to column, with lanes through those that it passes."""
        ends = [self.items[arrow.source], self.items[arrow.target]]
        heads = [arrow.heads != "end", arrow.heads != "start"]
        if ends[0].column > ends[1].column:
            ends.reverse()
            heads.reverse()
        left, right = ends
        style = f"{arrow.kind}{'<' if heads[0] else '-'}{'>' if heads[1] else '-'}"
        if left.column == right.column:
            out, back = routes.Port(left.id, "right", style), routes.Port(right.id, "right", style)
            return [routes.Hop(left.column, out, back)]
        at, hops = routes.Port(left.id, "right", style), []
        for column in range(left.column + 1, right.column):
            lane = Item(f"{left.id} {style} {column}", left.frame or right.frame, column)
            self.items.setdefault(lane.id, lane)
            hops.append(routes.Hop(column - 1, at, routes.Port(lane.id, "left", style)))
            at = routes.Port(lane.id, "right", style)
        return [*hops, routes.Hop(right.column - 1, at, routes.Port(right.id, "left", style))]

    def _size_boxes(self) -> None:
        ports = {port for hop in self.hops for port in (hop.a, hop.b)}
        for item in self.items.values():
            sides = [sum(port[:2] == (item.id, side) for port in ports) for side in ("left", "right")]
            if not item.lane:
                item.height = max(item.height, (max(sides) - 1) * routes.PORT_GAP + 28)

    # -- heights -----------------------------------------------------------------------------------------------

    def place(self, top: int) -> dict[str, tuple[int, int]]:
        """Set `y` of all items; return where each frame begins and ends."""
        bands: dict[str, tuple[int, int]] = {}
        start = top
        for frame in self._picture.frames:
            end = self._place_frame(frame, start + FRAME_TITLE)
            bands[frame] = (start, end)
            start = end + FRAME_GAP
        middle = (top + start - FRAME_GAP) / 2
        for column in reversed(range(self.first)):
            self._place_globals([item for item in self.items.values() if item.column == column], top, middle)
        return bands

    def _place_frame(self, frame: str, top: int) -> int:
        """Place the ways of a frame below each other, the longest first, and at its bottom what stands aside."""
        floor: dict[int, float] = defaultdict(lambda: float(top + GAP / 2))
        for group in self._groups(frame):
            order = self._order(group)
            self._align(order)
            shift = max(floor[column] - _top(items[0]) for column, items in order.items())
            for column, items in order.items():
                for item in items:
                    item.y = float(round(item.y + shift))
                floor[column] = _bottom(items[-1]) + GAP
        row_top = max(floor.values(), default=top + GAP / 2)
        bottom = row_top - GAP
        asides = self._asides[frame]
        for row in sorted({self._rows[box.id] for box in asides}):
            items = [self.items[box.id] for box in asides if self._rows[box.id] == row]
            height = max(item.height for item in items)
            for item in items:
                item.y = row_top + height / 2
            bottom = row_top + height
            row_top = bottom + GAP
        return round(bottom + PAD)

    def _place_globals(self, items: list[Item], top: int, middle: float) -> None:
        def wanted(item: Item) -> float:
            right = [self.items[each].y for each in self._near[item.id] if self.items[each].column > item.column]
            return sum(right) / len(right) if right else middle

        items.sort(key=lambda item: (wanted(item), item.id))
        places = routes.spread([wanted(item) for item in items], _gaps(items))
        shift = max(0.0, top - (places[0] - items[0].height / 2)) if items else 0.0
        for item, y in zip(items, places, strict=True):
            item.y = float(round(y + shift))

    def _groups(self, frame: str) -> list[list[Item]]:
        """Return the frame's items in groups that arrows hold together, the biggest group first."""
        left = [
            item.id for item in sorted(self.items.values(), key=lambda item: item.id)
            if item.frame == frame and item.column >= self.first and item.id not in self._rows
        ]  # fmt: skip
        groups: list[list[Item]] = []
        while left:
            group, todo = [], [left[0]]
            while todo:
                each = todo.pop()
                if each in left:
                    left.remove(each)
                    group.append(self.items[each])
                    todo += self._near[each]
            groups.append(sorted(group, key=lambda item: item.id))
        return sorted(groups, key=lambda group: (-len(group), group[0].id))

    def _order(self, group: list[Item]) -> dict[int, list[Item]]:
        """Order each column of a group by where its neighbours stand; keep the order with the fewest crossings."""
        order: dict[int, list[Item]] = defaultdict(list)
        for item in group:
            order[item.column].append(item)
        best, fewest = _copy(order), self._crossings(order)
        for sweep in range(SWEEPS):
            step = 1 if sweep % 2 == 0 else -1
            for column in sorted(order, reverse=step < 0):
                place = {item.id: index for index, item in enumerate(order.get(column - step, []))}
                own = {item.id: index for index, item in enumerate(order[column])}
                wanted = {
                    item.id: _mean([place[each] for each in self._near[item.id] if each in place], own[item.id])
                    for item in order[column]
                }
                order[column].sort(key=lambda item: wanted[item.id])
            crossings = self._crossings(order)
            if crossings < fewest:
                best, fewest = _copy(order), crossings
        return dict(sorted(best.items()))

    def _crossings(self, order: Mapping[int, list[Item]]) -> int:
        place = {item.id: index for items in order.values() for index, item in enumerate(items)}
        count = 0
        for column in order:
            ends = [
                (place[hop.a.item], place[hop.b.item])
                for hop in self.hops
                if hop.channel == column and hop.a.item in place and hop.b.item in place and hop.b.side == "left"
            ]
            count += sum((a - c) * (b - d) < 0 for index, (a, b) in enumerate(ends) for c, d in ends[:index])
        return count

    def _align(self, order: Mapping[int, list[Item]]) -> None:
        """Move items towards the middle of their neighbours: first of one side, then of the other, then of both."""
        for items in order.values():
            for item, y in zip(items, routes.spread([0.0] * len(items), _gaps(items)), strict=True):
                item.y = y
        for sweep in range(2 * SWEEPS):
            sides = (-1, 1) if sweep >= SWEEPS else (-1,) if sweep % 2 == 0 else (1,)
            for column in sorted(order, reverse=sweep % 2 == 1):
                items = order[column]
                wanted = [_mean(self._heights_beside(item, sides), item.y) for item in items]
                for item, y in zip(items, routes.spread(wanted, _gaps(items)), strict=True):
                    item.y = y
        for items in order.values():
            self._level(items)

    def _level(self, items: list[Item]) -> None:
        """Put items with one neighbour level with it, as far as those above and below leave room."""
        gaps = _gaps(items)
        for index, item in enumerate(items):
            beside = self._heights_beside(item, (-1, 1))
            if len(beside) == 1:
                lowest = items[index - 1].y + gaps[index - 1] if index else -inf
                highest = items[index + 1].y - gaps[index] if index < len(gaps) else inf
                item.y = max(lowest, min(beside[0], highest))

    def _heights_beside(self, item: Item, sides: Sequence[int]) -> list[float]:
        """Return where an item's neighbours stand that are one column to the left (-1) or right (1) in its frame."""
        near = [self.items[each] for each in self._near[item.id]]
        return [each.y for each in near if each.frame == item.frame and each.column - item.column in sides]

    # -- widths ------------------------------------------------------------------------------------------------

    def column_positions(self, box_width: int, channels: Mapping[int, routes.Channel]) -> list[int]:
        """Return where each column begins; one more for where the frames end."""
        lefts = [MARGIN + (PAD if self.first == 0 else 0)]
        for column in range(self.last + 1):
            extra = PAD if column == self.first - 1 else 0
            width = channels[column].width if column < self.last else max(PAD, channels[column].width)
            lefts.append(lefts[-1] + box_width + width + extra)
        return lefts


def _copy(order: Mapping[int, list[Item]]) -> dict[int, list[Item]]:
    return {column: list(items) for column, items in order.items()}


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return sum(found) / len(found) if found else otherwise


def _gaps(items: Sequence[Item]) -> list[float]:
    """Return how far apart the middles of neighbours must be."""
    return [
        (one.height + other.height) / 2 + (LANE_GAP if one.lane or other.lane else GAP)
        for one, other in pairwise(items)
    ]


def _top(item: Item) -> float:
    return item.y - item.height / 2


def _bottom(item: Item) -> float:
    return item.y + item.height / 2
