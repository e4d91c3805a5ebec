"""The lines between columns: where they leave and enter boxes, and which vertical track each takes.

Between two columns is a channel. A line crosses it by at most one vertical piece, on a track; lines that leave by
the same port share it, and so do lines that have only their target in common. The order of the tracks saves crossings
and keeps lines of different nets from running over each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from infra.graph.layout import Item

TRACK = 12  # between vertical pieces
ROOM = 24  # between boxes and the nearest vertical piece: an arrowhead and a bend fit in
EDGE = 12  # between a box's corner and its nearest port
PORT_GAP = 14
OVERLAP = 30  # what it costs when lines run over each other, in crossings
NEAR = 6  # lines of different nets that are nearer than this look like one
SHORT = 8  # a bend smaller than this looks like a slip
NUDGE = 6
SLACK = 5  # how far a lane may leave its middle
ROUNDS = 6


class Port(NamedTuple):
    """Where lines of one style leave or enter an item."""

    item: str
    side: str
    style: str


class Hop(NamedTuple):
    """A line's way through one channel, that to the right of the column of the same number.

    Both ports are on the same side where it turns back to its own column.
    """

    channel: int
    a: Port
    b: Port


@dataclass(frozen=True)
class Channel:
    """The room to the right of a column: its width, and for each hop the way to its vertical piece."""

    width: int
    tracks: Mapping[Hop, int | None]
    y: Mapping[Port, int]


@dataclass(frozen=True)
class _Net:
    """Hops that share a vertical piece: the heights at which they come from the left and go to the right."""

    hops: tuple[Hop, ...]
    left: frozenset[int]
    right: frozenset[int]

    @property
    def low(self) -> int:
        return min(self.left | self.right)

    @property
    def high(self) -> int:
        return max(self.left | self.right)

    @property
    def straight(self) -> bool:
        """Whether it needs no vertical piece."""
        return self.low == self.high


def route(hops: Sequence[Hop], items: Mapping[str, Item], last: int) -> dict[int, Channel]:
    """Give each hop its heights and its track; return the channels by the column to their left."""
    ports = _Ports(hops, items)
    for _ in range(ROUNDS):
        channels: dict[int, Channel] = {}
        clashes: list[tuple[Port, Port]] = []
        for column in range(last + 1):
            inside = [hop for hop in hops if hop.channel == column]
            nets = _nets(inside, ports.at)
            order = _ordered([net for net in nets if not net.straight])
            clashes += _clashes(order, ports.at)
            levels = _levels(order)
            count = max(levels.values(), default=-1) + 1
            tracks: dict[Hop, int | None] = {hop: None for net in nets for hop in net.hops if net.straight}
            tracks |= {hop: ROOM + level * TRACK for net, level in levels.items() for hop in net.hops}
            room = 2 * ROOM if inside or column < last else 0
            channels[column] = Channel(room + max(0, count - 1) * TRACK, tracks, ports.at)
        if not any([ports.part(one, other) for one, other in dict.fromkeys(clashes)]):
            break
    return channels


def way(
    hops: Sequence[Hop], channels: Mapping[int, Channel], lefts: Sequence[int], box_width: int
) -> tuple[tuple[int, int], ...]:
    """Return the corner points of an arrow's way, from its left end to its right one."""
    points: list[tuple[int, int]] = []
    for hop in hops:
        channel = channels[hop.channel]
        start, track = lefts[hop.channel] + box_width, channel.tracks[hop]
        end = start if hop.b.side == "right" else lefts[hop.channel + 1]
        a, b = channel.y[hop.a], channel.y[hop.b]
        points.append((start, a))
        if track is not None:
            points += [(start + track, a), (start + track, b)]
        points.append((end, b))
    return tuple(
        point for index, point in enumerate(points)
        if index in (0, len(points) - 1) or not (points[index - 1][1] == point[1] == points[index + 1][1])
    )  # fmt: skip


def spread(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """Return the positions nearest to the wanted ones that keep their order and at least these distances.

    Least squares by pooling neighbours that are too near to each other (isotonic regression).
    """
    offsets = [sum(gaps[:index]) for index in range(len(wanted))]
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets, strict=True):
        mean, count = want - offset, 1
        while pools and pools[-1][0] > mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


class _Ports:
    """The height of each port: apart from its neighbours, and level with the other end where that is possible."""

    def __init__(self, hops: Sequence[Hop], items: Mapping[str, Item]) -> None:
        self._items = items
        self._others: dict[Port, set[Port]] = defaultdict(set)
        for hop in hops:
            self._others[hop.a].add(hop.b)
            self._others[hop.b].add(hop.a)
        self._sides: dict[tuple[str, str], list[Port]] = defaultdict(list)
        for port in sorted(self._others):
            self._sides[port.item, port.side].append(port)
        self._lanes = [port for port in self._others if items[port.item].lane]
        self.at = {port: round(items[port.item].y) for port in self._others}
        self._settle()
        for _ in range(ROUNDS):
            for hop in hops:
                self._straighten(hop.a, hop.b)

    def _straighten(self, a: Port, b: Port) -> None:
        """Make two ends level that nearly are; if neither can move so far, make the bend a real one."""
        if 0 < abs(self.at[a] - self.at[b]) < SHORT and not (self._move(b, self.at[a]) or self._move(a, self.at[b])):
            step = SHORT if self.at[b] > self.at[a] else -SHORT
            _ = self._move(b, self.at[a] + step) or self._move(a, self.at[b] - step)

    def part(self, one: Port, other: Port) -> bool:
        """Move one of two ports a little if there is room, so that their lines don't run over each other."""
        for port, fixed in ((one, self.at[other]), (other, self.at[one])):
            if abs(self.at[port] - fixed) >= NEAR or self._move(port, fixed + NUDGE) or self._move(port, fixed - NUDGE):
                return True
        return False

    def _wanted(self, port: Port) -> float:
        return sum(self.at[each] for each in self._others[port]) / len(self._others[port])

    def _settle(self) -> None:
        # Sides with many lines first: those with few can follow them.
        busiest = sorted(self._sides, key=lambda side: (-len(self._sides[side]), side))
        for turn in range(ROUNDS):
            for side in busiest:
                item, ports = self._items[side[0]], self._sides[side]
                if turn < ROUNDS // 2:
                    ports.sort(key=lambda port: (self._wanted(port), port))
                if item.lane:
                    both = self._lane(ports[0])
                    wanted = sum(self._wanted(port) for port in both) / 2
                    self.at |= dict.fromkeys(both, round(min(max(wanted, item.y - SLACK), item.y + SLACK)))
                    continue
                room = item.height / 2 - EDGE
                places = spread([self._wanted(port) for port in ports], [PORT_GAP] * (len(ports) - 1))
                for index, (port, y) in enumerate(zip(ports, places, strict=True)):
                    lowest = item.y - room + index * PORT_GAP
                    highest = item.y + room - (len(ports) - 1 - index) * PORT_GAP
                    self.at[port] = round(min(max(y, lowest), highest))

    @staticmethod
    def _lane(port: Port) -> list[Port]:
        """Return both ends of a lane."""
        return [port._replace(side="left"), port._replace(side="right")]

    def _move(self, port: Port, y: int) -> bool:
        """Move a port, if it stays on its side of the box and away from its neighbours."""
        item = self._items[port.item]
        room = SLACK + NUDGE if item.lane else item.height / 2 - NUDGE
        if item.lane:
            beside = [
                each for each in self._lanes if (self._items[each.item].column, each.side) == (item.column, port.side)
            ]
        else:
            beside = self._sides[port.item, port.side]
        near = [self.at[each] for each in beside if each != port]
        if abs(y - item.y) > room or any(abs(y - each) < SHORT for each in near):
            return False
        self.at |= dict.fromkeys(self._lane(port) if item.lane else [port], y)
        return True


def _nets(hops: Sequence[Hop], heights: Mapping[Port, int]) -> list[_Net]:
    """Group hops that leave by one port, and single ones that enter by one."""
    leaving: dict[Port, list[Hop]] = defaultdict(list)
    for hop in hops:
        leaving[hop.a].append(hop)
    groups: dict[Port, list[Hop]] = defaultdict(list)
    for port, found in leaving.items():
        groups[port if len(found) > 1 else found[0].b] += found
    nets = []
    for _, found in sorted(groups.items()):
        left = {heights[hop.a] for hop in found} | {heights[hop.b] for hop in found if hop.b.side == "right"}
        right = {heights[hop.b] for hop in found if hop.b.side == "left"}
        nets.append(_Net(tuple(found), frozenset(left), frozenset(right)))
    return nets


def _cost(one: _Net, other: _Net) -> int:
    """Return what it costs to have one net's vertical piece to the left of another's."""
    cost = sum(other.low < y < other.high for y in one.right) + sum(one.low < y < one.high for y in other.left)
    near = sum(abs(a - b) < NEAR for a in one.right for b in other.left)
    touch = sum(y in (other.low, other.high) for y in one.right) + sum(y in (one.low, one.high) for y in other.left)
    return cost + OVERLAP * near + touch


def _ordered(nets: list[_Net]) -> list[_Net]:
    """Order nets from left to right, each moved to its best place until nothing gets better."""
    nets = sorted(nets, key=lambda net: (net.low, net.high, net.hops))
    costs = [[_cost(one, other) for other in nets] for one in nets]
    order = list(range(len(nets)))
    for _ in range(ROUNDS):
        before = list(order)
        for net in before:
            order.remove(net)
            cost = sum(costs[net][each] for each in order)
            best, cheapest = 0, cost
            for index, each in enumerate(order):
                cost += costs[each][net] - costs[net][each]
                if cost < cheapest:
                    best, cheapest = index + 1, cost
            order.insert(best, net)
        if order == before:
            break
    return [nets[index] for index in order]


def _clashes(order: Sequence[_Net], heights: Mapping[Port, int]) -> list[tuple[Port, Port]]:
    """Return pairs of ports whose lines run over each other, whatever the order of their nets."""
    return [
        (ours.b, theirs.a)
        for index, one in enumerate(order)
        for other in order[index + 1 :]
        for ours in one.hops
        for theirs in other.hops
        if ours.b.side == "left" and abs(heights[ours.b] - heights[theirs.a]) < NEAR
    ]


def _levels(order: Sequence[_Net]) -> dict[_Net, int]:
    """Put each net as far to the left as those before it allow; nets above each other share a track."""
    levels: dict[_Net, int] = {}
    for net in order:
        over = [
            level for other, level in levels.items() if other.low - TRACK < net.high and net.low < other.high + TRACK
        ]
        levels[net] = max(over, default=-1) + 1
    return levels
