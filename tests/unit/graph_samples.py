"""Pictures of any size, drawn from a seed, for the tests of the layout."""

from __future__ import annotations

import random
from collections.abc import Iterator

from infra.graph.model import Arrow, Box, Heads, Picture

SOURCES = [("clock", "schedule"), ("bucket", "S3 bucket"), ("api", "HTTP API"), ("queue", "SQS queue")]
STORES = [("table", "DynamoDB table"), ("bucket", "S3 bucket"), ("database", "PostgreSQL"), ("topic", "SNS topic")]
HEADS: list[Heads] = ["end", "end", "start", "both"]
REGIONS = ("us-east-1", "eu-west-1", "ap-south-1")
WORDS = [
    "orders",
    "clicks",
    "invoices",
    "readings",
    "trades",
    "alerts",
    "users",
    "parts",
    "routes",
    "claims",
    "visits",
    "quotes",
]


def platform(seed: int, modules: int, regions: int) -> Picture:
    """Return a platform with so many boxes: in each region a key, ways from sources through functions to stores."""
    chance = random.Random(seed)
    boxes = [Box("name", "name", "public DNS zone", "globe")] if regions > 1 else []
    arrows: set[Arrow] = set()
    frames = REGIONS[:regions]
    for index, frame in enumerate(frames):
        room = (modules - len(boxes)) // (regions - index)
        new, found = _region(chance, frame, room)
        if regions > 1:
            apis = [box.id for box in new if box.icon == "api"]
            found |= {Arrow("request", "name", box) for box in apis}
            if index:
                found.add(Arrow("replication", f"{frames[0]}-key", f"{frame}-key"))
                stores = [box.id for box in new if box.icon == "table"]
                others = [box.id for box in boxes if box.icon == "table"]
                found |= {Arrow("replication", a, b, "both") for a, b in zip(others, stores, strict=False)}
        boxes += new
        arrows |= found
    assert len(boxes) == modules
    return Picture(f"{modules} modules", "Made from a seed", frames, tuple(boxes), tuple(sorted(arrows)))


def _region(chance: random.Random, frame: str, room: int) -> tuple[list[Box], set[Arrow]]:
    """Return ways from a source through a function to stores, which they share, and what serves them all."""
    boxes = [Box(f"{frame}-key", "key", "KMS key", "key", frame, aside=True)]
    arrows: set[Arrow] = set()
    stores: list[str] = []
    functions: list[str] = []
    alarms: list[str] = []
    marks = [(), ("encrypted",), ("encrypted", "private"), ("encrypted", "private", "watched")]

    def add(prefix: str, icon: str, label: str) -> str:
        name = f"{prefix} {chance.choice(WORDS)}"
        boxes.append(Box(f"{frame}-{len(boxes):02}-{icon}", name, label, icon, frame, chance.choice(marks)))
        return boxes[-1].id

    def steps() -> Iterator[None]:
        """Add one box at a time, until there are enough."""
        icon, label = chance.choice(SOURCES)
        source = add("new", icon, label)
        yield
        functions.append(add("load", "function", "Lambda function"))
        arrows.add(Arrow("trigger", source, functions[-1]))
        if icon == "clock" and stores:
            arrows.add(Arrow("failure", source, chance.choice(stores)))
        yield
        for _ in range(chance.choice([1, 1, 2])):
            if not stores or chance.random() < 0.6:
                stores.append(add("all", *chance.choice(STORES)))
                yield
            arrows.add(Arrow("data", functions[-1], chance.choice(stores[-3:]), chance.choice(HEADS)))
        if chance.random() < 0.3:
            arrows.add(Arrow("trigger", functions[-1], chance.choice(functions)))
        if chance.random() < 0.2:
            alarms.append(add("watch", "bell", "CloudWatch alarms"))
            arrows.add(Arrow("alarm", alarms[-1], stores[0]))
            yield
        if chance.random() < 0.2:
            add("lone", "box", "something else")
            yield

    while len(boxes) < room:
        for _ in steps():
            if len(boxes) == room:
                break
    return boxes, {arrow for arrow in arrows if arrow.source != arrow.target}
