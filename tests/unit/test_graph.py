"""The picture of a stack: what it says is true, and it can be read."""

from __future__ import annotations

import random
import re
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, graph, modules, stack
from infra.errors import OrreryError
from infra.graph import layout, model, svg
from infra.graph.icons import ICONS
from infra.graph.model import Arrow, Box, Picture
from tests.unit import graph_samples

Orrery = Callable[..., subprocess.CompletedProcess[str]]
BUILT = [info.id for info in catalog.load().values() if info.built]
ACCOUNT = "123456789012"


def configuration(**blocks: dict[str, Any]) -> dict[str, Any]:
    """Return what Terraform gets of a stack with these modules; ``uses`` names the module."""
    made = {
        name: {"source": f"../../modules/{block['uses']}", **{k: v for k, v in block.items() if k != "uses"}}
        for name, block in blocks.items()
    }
    return {"module": made, "provider": {"aws": [{"region": "us-east-1"}, {"region": "eu-west-1", "alias": "eu"}]}}


def pictured(**blocks: dict[str, Any]) -> Picture:
    return model.read(configuration(**blocks), "title", "summary")


def boxes(picture: Picture) -> dict[str, Box]:
    return {box.id: box for box in picture.boxes}


def says(picture: Picture) -> set[str]:
    """Return the arrows as short lines."""
    signs = {"end": "->", "start": "<-", "both": "<->"}
    return {f"{each.source} {signs[each.heads]} {each.target}: {each.kind}" for each in picture.arrows}


# ------------------------------------------------------------------------------------------ the two stacks


def test_meteor_is_drawn_as_it_works() -> None:
    picture = graph.read(catalog.built("01_meteor"))
    assert says(picture) == {
        "landing -> loader: trigger",
        "daily -> loader: trigger",
        "daily -> missed: failure",
        "loader <-> landing: data",  # reads files, writes quarantine; named by ARN only
        "loader <-> database: data",
        "alarms -> alerts: alarm",
    }
    found = boxes(picture)
    assert found["loader"].marks == ("encrypted", "private", "watched")
    assert found["database"].marks == ("encrypted", "private")
    assert found["key"].marks == () and found["key"].aside
    assert {box.frame for box in picture.boxes} == {"us-east-1"}


def test_blackhole_has_a_frame_per_region_and_each_function_uses_its_regions_copy() -> None:
    picture = graph.read(catalog.built("14_blackhole"))
    assert picture.frames == ("us-east-1", "eu-west-1")
    assert says(picture) == {
        "name -> api_us: request",
        "name -> api_eu: request",
        "api_us -> function_us: trigger",
        "api_eu -> function_eu: trigger",
        "function_us <-> users: data",
        "function_us <- pepper: data",
        "function_eu <-> users@eu-west-1: data",
        "function_eu <- pepper@eu-west-1: data",
        "users <-> users@eu-west-1: replication",
        "pepper -> pepper@eu-west-1: replication",
        "avatars_us <-> avatars_eu: replication",
        "key -> key_away: replication",
        "users -> backup: replication",
        "avatars_us -> backup: replication",
        "backup -> alerts_us: alarm",
        "alarms_us -> alerts_us: alarm",
        "alarms_eu -> alerts_eu: alarm",
        "alarms_health -> alerts_us: alarm",
    }
    found = boxes(picture)
    assert found["name"].frame == "" and "watched" in found["name"].marks
    assert found["users@eu-west-1"] == Box(
        "users@eu-west-1", "users", "replica", "table", "eu-west-1", ("encrypted", "watched"), replica=True
    )
    assert "avatar_replication" not in found


def test_a_picture_needs_no_zips_of_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **settings: object) -> None:
        raise AssertionError("a zip was built")

    monkeypatch.setattr(stack, "build_package", refuse)
    graph.read.cache_clear()
    assert graph.read(catalog.built("01_meteor")).boxes


# ------------------------------------------------------------------------------- what inputs and grants mean

TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/orders"


@pytest.mark.parametrize(
    ("actions", "resource", "line"),
    [
        (["dynamodb:GetItem", "dynamodb:Query"], TABLE, "f <- orders: data"),
        (["dynamodb:BatchGetItem"], f"{TABLE}/index/*", "f <- orders: data"),
        (["dynamodb:PutItem"], TABLE, "f -> orders: data"),
        (["dynamodb:PutItem", "dynamodb:GetItem"], TABLE, "f <-> orders: data"),
        (["dynamodb:UpdateItem"], "${module.orders.arn}", "f -> orders: data"),
        (["sqs:ReceiveMessage", "sqs:DeleteMessage"], "${module.q.arn}", "f <- q: data"),
        (["sqs:SendMessage"], f"arn:aws:sqs:us-east-1:{ACCOUNT}:orders", "f -> q: data"),
        (["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::lake/raw/*", "f <- lake: data"),
        (
            ["secretsmanager:GetSecretValue"],
            f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:pass-*",
            "f <- s: data",
        ),
        (["lambda:InvokeFunction"], f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:second", "f -> g: trigger"),
        (["kms:Decrypt"], "${module.key.arn}", ""),
        (["dynamodb:GetItem"], TABLE.replace("us-east-1", "eu-west-1"), ""),  # that region has no such table
        (["dynamodb:GetItem"], TABLE + "-archive", ""),
    ],
)
def test_a_grant_is_an_arrow_as_the_data_flows(actions: list[str], resource: str, line: str) -> None:
    picture = pictured(
        f={"uses": "function", "name": "first", "grants": {"g": {"actions": actions, "resources": [resource]}}},
        g={"uses": "function", "name": "second"},
        key={"uses": "key", "name": "orders"},
        lake={"uses": "object_store", "name": "lake"},
        orders={"uses": "table", "name": "orders"},
        q={"uses": "queue", "name": "orders"},
        s={"uses": "secret", "name": "pass"},
    )
    assert says(picture) == ({line} if line else set())


def test_several_grants_on_one_thing_are_one_arrow() -> None:
    grants = {
        "read": {"actions": ["s3:GetObject"], "resources": ["${module.lake.arn}/in/*"]},
        "write": {"actions": ["s3:PutObject"], "resources": ["${module.lake.arn}/out/*"]},
    }
    picture = pictured(f={"uses": "function", "grants": grants}, lake={"uses": "object_store", "name": "lake"})
    assert says(picture) == {"f <-> lake: data"}


def test_a_grant_that_another_module_names_leaves_the_arrow_to_what_is_handed_over_with_it() -> None:
    grants = {"read": '${module.stream.grants["f"]["read"]}'}
    environment = {"KAFKA_BOOTSTRAP_SERVERS": "${module.stream.bootstrap_servers}"}
    stream = {"uses": "kafka", "name": "stream"}
    picture = pictured(f={"uses": "function", "grants": grants, "environment": environment}, stream=stream)
    assert says(picture) == {"f <-> stream: data"}


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ({"uses": "topic", "subscriptions": {"a": {"protocol": "sqs", "endpoint": "${module.end.arn}"}}}, "start -> end: trigger"),
        ({"uses": "schedule", "target_arn": "${module.end.arn}"}, "start -> end: trigger"),
        ({"uses": "schedule", "dead_letter": {"queue_arn": "${module.end.arn}"}}, "start -> end: failure"),
        ({"uses": "object_store", "queue_notifications": {"a": {"queue_arn": "${module.end.arn}"}}}, "start -> end: trigger"),
        ({"uses": "function", "environment": {"QUEUE": "${module.end.url}"}}, ""),  # a name alone moves nothing
        ({"uses": "function", "description": "see module.end.arn"}, ""),
    ],
)  # fmt: skip
def test_an_input_is_the_arrow_that_its_module_says(source: dict[str, Any], line: str) -> None:
    assert says(pictured(start=source, end={"uses": "queue", "name": "q"})) == ({line} if line else set())


def test_a_stand_in_is_drawn_as_what_it_stands_in_for() -> None:
    made = configuration(
        db={"uses": "postgres/standin"}, f={"uses": "function", "environment": {"H": "${module.db.host}"}}
    )
    picture = model.read(made, "", "")
    assert boxes(picture)["db"].label == "PostgreSQL"
    assert says(picture) == {"f <-> db: data"}


def test_another_cloud_is_a_frame_of_its_own() -> None:
    picture = pictured(a={"uses": "topic"}, copy={"uses": "gcp_identity_replica"})
    assert picture.frames == ("us-east-1", "Google Cloud")
    assert boxes(picture)["copy"].frame == "Google Cloud"


def test_a_replica_in_a_region_without_a_provider_has_a_frame_too() -> None:
    picture = pictured(users={"uses": "table", "replicas": {"ap-south-1": "${module.key.arn}"}}, key={"uses": "key"})
    assert picture.frames == ("us-east-1", "ap-south-1")
    assert boxes(picture)["users@ap-south-1"].marks == ("encrypted",)


def test_maps_that_only_terraform_knows_draw_nothing() -> None:
    picture = pictured(
        users={"uses": "table", "replicas": "${module.q.name}"},
        f={"uses": "function", "grants": "${module.q.name}"},
        q={"uses": "queue"},
    )
    assert says(picture) == set() and len(picture.boxes) == 3


def test_the_order_of_modules_changes_nothing() -> None:
    made = configuration(
        a={"uses": "schedule", "target_arn": "${module.b.arn}"}, b={"uses": "queue"}, c={"uses": "key"}
    )
    turned = {**made, "module": dict(reversed(made["module"].items()))}
    assert svg.draw(model.read(made, "t", "s")) == svg.draw(model.read(turned, "t", "s"))


@pytest.mark.parametrize("name", modules.names())
def test_every_module_says_how_it_is_drawn(name: str) -> None:
    shown = model.drawing(modules.load(name))
    assert shown.between or (shown.icon != "box" and shown.label)


def test_a_module_that_says_nothing_is_a_plain_box(module_folder: Callable[..., Path]) -> None:
    module_folder("ice_shelf", 'variable "name" { type = string }')
    box = pictured(north={"uses": "ice_shelf"}).boxes[0]
    assert (box.icon, box.label, box.title) == ("box", "ice shelf", "north")


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ('icon = "buket"', "there is no icon 'buket', did you mean 'bucket'?"),
        ('marks = "encripted"', "there is no mark 'encripted', did you mean 'encrypted'?"),
        ('scope = "world"', "there is no scope 'world'"),
        ('connect = ["hots"]', "there is no output 'hots', did you mean 'host'?"),
        ('between = ["one", "two"]', "there is no variable 'one'"),
        ('inputs = { nam = "data out" }', "there is no variable 'nam', did you mean 'name'?"),
        ('inputs = { name = "dat out" }', "there is no meaning 'dat out', did you mean 'data out'?"),
        ('inputs = { name = "trigger both" }', "there is no meaning 'trigger both'"),
        ('color = "red"', "unexpected keyword argument 'color'"),
    ],
)
def test_a_mistake_in_a_picture_table_is_one_line(
    module_folder: Callable[..., Path], table: str, complaint: str
) -> None:
    module_folder(
        "shelf",
        'variable "name" { type = string }',
        'output "host" { value = "x" }',
        f'local = "deploy"\n[picture]\n{table}',
    )
    with pytest.raises(OrreryError) as caught:
        pictured(north={"uses": "shelf"})
    assert complaint in caught.value.what and "modules/shelf/module.toml" in caught.value.what
    assert "\n" not in caught.value.what and "CONTRIBUTING.md" in caught.value.next_step


# ---------------------------------------------------------------------------------------------- the layout

Point = tuple[int, int]
Piece = tuple[Point, Point]


def laid_out(picture: Picture) -> layout.Layout:
    return layout.arrange(picture, svg.box_width(picture.boxes), svg.HEAD)


def pieces(wire: layout.Wire) -> list[Piece]:
    return list(pairwise(wire.points))


def run_over_each_other(one: Piece, other: Piece) -> bool:
    """Whether two pieces are parallel and so near that they look like one."""
    for axis in (0, 1):
        if one[0][axis] == one[1][axis] and other[0][axis] == other[1][axis]:
            (a, b), (c, d) = (sorted(point[1 - axis] for point in piece) for piece in (one, other))
            if abs(one[0][axis] - other[0][axis]) < 5 and min(b, d) > max(a, c):
                return True
    return False


def faults(picture: Picture, plan: layout.Layout) -> Iterator[str]:
    """Yield everything about a layout that would be hard to read."""
    frame_of = {box.id: box.frame for box in picture.boxes}
    for (a, one), (b, other) in combinations(plan.boxes.items(), 2):
        apart_x = one.x + one.width <= other.x or other.x + other.width <= one.x
        apart_y = one.y + one.height + 18 <= other.y or other.y + other.height + 18 <= one.y  # marks stand in between
        if not (apart_x or apart_y):
            yield f"{a} is on {b}"
    for name, place in plan.boxes.items():
        for frame, area in plan.frames.items():
            inside = area.x < place.x and place.x + place.width < area.x + area.width
            inside = inside and area.y + 30 < place.y and place.y + place.height < area.y + area.height
            outside = (
                place.x + place.width < area.x or place.y + place.height < area.y or place.y > area.y + area.height
            )
            if not (inside if frame_of[name] == frame else outside):
                yield f"{name} is on the wrong side of the frame {frame}"
    for (a, one), (b, other) in combinations(plan.frames.items(), 2):
        if not (one.y + one.height < other.y or other.y + other.height < one.y):
            yield f"the frames {a} and {b} overlap"
    for wire in plan.wires:
        source, target = wire.arrow.source, wire.arrow.target
        for point, box in zip(
            wire.points[:: len(wire.points) - 1], (target, source) if wire.reversed else (source, target), strict=True
        ):
            place = plan.boxes[box]
            if point[0] not in (place.x, place.x + place.width) or not place.y < point[1] < place.y + place.height:
                yield f"{wire.arrow} does not touch {box}"
        for (x1, y1), (x2, y2) in pieces(wire):
            if x1 != x2 and y1 != y2:
                yield f"{wire.arrow} has a slanting piece"
            if x1 == x2 and abs(y1 - y2) < 6:
                yield f"{wire.arrow} has a bend that looks like a slip"
            for box, place in plan.boxes.items():
                beside = max(x1, x2) <= place.x or min(x1, x2) >= place.x + place.width
                if not (beside or max(y1, y2) < place.y - svg.MARK or min(y1, y2) > place.y + place.height):
                    yield f"{wire.arrow} runs through {box}"
    for one, other in combinations(plan.wires, 2):
        ends = {one.arrow.source, one.arrow.target} & {other.arrow.source, other.arrow.target}
        if not (ends and one.arrow.kind == other.arrow.kind):  # these may share a part of their way
            for a in pieces(one):
                for b in pieces(other):
                    if run_over_each_other(a, b):
                        yield f"{one.arrow} and {other.arrow} run over each other"


def small(*arrows: Arrow, frames: dict[str, str] | None = None, alone: int = 0) -> Picture:
    """Return a picture of the boxes that these arrows join, and of some without arrows."""
    names = sorted({end for arrow in arrows for end in (arrow.source, arrow.target)}) + [f"z{n}" for n in range(alone)]
    found = tuple(Box(name, name, "a box", frame=(frames or {}).get(name, "us-east-1")) for name in names)
    used = tuple(dict.fromkeys(box.frame for box in found if box.frame))
    return Picture("Small", "Small", used, found, tuple(sorted(arrows)))


CORNER_CASES = {
    "nothing": small(),
    "one box": small(alone=1),
    "only boxes without arrows": small(alone=11),
    "two that start each other": small(Arrow("trigger", "a", "b"), Arrow("trigger", "b", "a")),
    "a ring": small(Arrow("trigger", "a", "b"), Arrow("trigger", "b", "c"), Arrow("trigger", "c", "a")),
    "all kinds between the same two": small(*(Arrow(kind, "a", "b") for kind in model.KINDS)),
    "crosswise": small(Arrow("data", "a", "y"), Arrow("data", "b", "x"), Arrow("alarm", "b", "y"), Arrow("alarm", "a", "x")),
    "a chain with a shortcut": small(*(Arrow("data", a, b) for a, b in pairwise("abcdefg")), Arrow("failure", "a", "g")),
    "one to many": small(*(Arrow("data", "a", f"b{n:02}", "both") for n in range(14))),
    "many to one": small(*(Arrow("alarm", f"a{n:02}", "b") for n in range(14))),
    "replication within a region": small(Arrow("replication", "a", "b", "both"), Arrow("replication", "b", "c")),
    "out of a region into the world": small(
        Arrow("data", "a", "world"), Arrow("request", "world", "b"), Arrow("request", "all", "world"), frames={"world": "", "all": ""}
    ),
    "only the world": small(Arrow("request", "a", "b"), frames={"a": "", "b": ""}),
    "from region to region": small(
        Arrow("data", "a", "b"), Arrow("data", "b", "c"), Arrow("data", "a", "d"), frames={"a": "r1", "b": "r1", "c": "r2", "d": "r3"}
    ),
}  # fmt: skip
SIZES = [(5, 1), (12, 1), (25, 2), (60, 1), (60, 3)]


@pytest.mark.parametrize("name", BUILT)
def test_a_stacks_picture_is_easy_to_read(name: str) -> None:
    picture = graph.read(catalog.built(name))
    assert list(faults(picture, laid_out(picture))) == []


@pytest.mark.parametrize("name", CORNER_CASES)
def test_odd_pictures_are_easy_to_read(name: str) -> None:
    picture = CORNER_CASES[name]
    assert list(faults(picture, laid_out(picture))) == []
    assert ET.fromstring(svg.draw(picture)).tag == f"{SPACE}svg"


@pytest.mark.parametrize(("count", "regions"), SIZES)
@pytest.mark.parametrize("seed", range(8))
def test_pictures_of_any_size_are_easy_to_read(seed: int, count: int, regions: int) -> None:
    picture = graph_samples.platform(seed, count, regions)
    assert list(faults(picture, laid_out(picture))) == []


@pytest.mark.parametrize("seed", range(30))
def test_tangles_have_no_line_through_a_box(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"b{n:02}" for n in range(14)]
    arrows = {Arrow(chance.choice(["trigger", "data", "failure"]), *chance.sample(names, 2)) for _ in range(26)}
    picture = small(*arrows)
    found = [each for each in faults(picture, laid_out(picture)) if "slip" not in each]
    assert found == []


def test_the_faults_are_found() -> None:
    picture = small(Arrow("trigger", "a", "b"), Arrow("data", "b", "c"), Arrow("failure", "d", "c"))
    plan = laid_out(picture)
    rects = dict(plan.boxes)

    def broken(**moved: layout.Rect) -> str:
        return "\n".join(
            faults(picture, layout.Layout(plan.width, plan.height, plan.frames, rects | moved, plan.wires))
        )

    assert "a is on b" in broken(a=rects["b"])
    assert "a is on the wrong side of the frame us-east-1" in broken(a=rects["a"]._replace(x=2))
    assert "does not touch a" in broken(a=rects["a"]._replace(x=rects["a"].x + 1))
    first = next(wire for wire in plan.wires if wire.arrow.source == "a")
    at = first.points[0]
    assert "runs through d" in broken(d=layout.Rect(at[0] + 5, at[1] - 5, 10, 10))
    doubled = layout.Wire(Arrow("data", "a", "b"), first.points)
    shown = layout.Layout(plan.width, plan.height, plan.frames, rects, (*plan.wires, doubled))
    assert "run over each other" in "\n".join(faults(picture, shown))


def test_ways_go_from_left_to_right_and_copies_stand_below_each_other() -> None:
    plan = laid_out(graph.read(catalog.built("14_blackhole"))).boxes
    assert plan["name"].x < plan["api_us"].x < plan["function_us"].x < plan["users"].x
    for one, other in (
        ("users", "users@eu-west-1"),
        ("avatars_us", "avatars_eu"),
        ("key", "key_away"),
        ("api_us", "api_eu"),
    ):
        assert plan[one].x == plan[other].x and plan[one].y < plan[other].y


# --------------------------------------------------------------------------------------------------- the SVG

SPACE = "{http://www.w3.org/2000/svg}"
LARGE = graph_samples.platform(1, 60, 3)
SHOWN = [*BUILT, "60 modules"]


def shown(name: str) -> Picture:
    return LARGE if name == LARGE.title else graph.read(catalog.built(name))


def texts(drawn: str) -> list[ET.Element]:
    return list(ET.fromstring(drawn).iter(f"{SPACE}text"))


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_can_be_heard(name: str) -> None:
    picture = shown(name)
    root = ET.fromstring(svg.draw(picture))
    assert root.get("role") == "img" and root.get("aria-labelledby") == "title desc"
    title, description = root.find(f"{SPACE}title"), root.find(f"{SPACE}desc")
    assert title is not None and title.get("id") == "title" and title.text == picture.title
    assert description is not None and description.get("id") == "desc" and description.text
    assert all(f"{box.title} ({box.label}" in description.text for box in picture.boxes)
    assert description.text.count("\n") >= len(picture.arrows)


def test_the_description_says_what_the_arrows_say() -> None:
    said = svg.describe(graph.read(catalog.built("14_blackhole"))).splitlines()
    assert "Outside of the regions: name (public DNS zone, encrypted with a customer key, watched by alarms)." in said
    assert "function eu reads pepper in eu-west-1." in said
    assert "users in us-east-1 and users in eu-west-1 are replicated to each other." in said
    assert "alarms eu reports to alerts eu." in said


def test_an_alternative_text_has_an_end() -> None:
    text = svg.alt_text(LARGE)
    assert len(text) < 1000 and re.search(r" And \d+ arrows more\.$", text)
    short = svg.alt_text(graph.read(catalog.built("01_meteor")))
    assert (
        short.startswith("01_meteor: Daily batch ETL. daily starts loader. landing starts loader.")
        and "more" not in short
    )


@pytest.mark.parametrize("name", SHOWN)
def test_every_text_fits_its_box_and_everything_the_page(name: str) -> None:
    picture = shown(name)
    drawn = svg.draw(picture)
    root, plan = ET.fromstring(drawn), laid_out(picture)
    for box, group in zip(picture.boxes, root.iter(f"{SPACE}g"), strict=True):
        right = plan.boxes[box.id].x + plan.boxes[box.id].width
        for text in group.iter(f"{SPACE}text"):
            bold = text.get("class") == "title"
            size = svg.TITLE_SIZE if bold else svg.LABEL_SIZE
            assert text.text
            assert int(text.get("x", "")) + svg.text_width(text.text, size, bold=bold) <= right
    width, height = int(root.get("width", "")), int(root.get("height", ""))
    for text in texts(drawn):
        assert text.text
        assert int(text.get("x", "")) + svg.text_width(text.text, svg.LABEL_SIZE) <= width
        assert int(text.get("y", "")) < height - 8
    for icon in root.iter(f"{SPACE}use"):
        assert icon.get("href", "")[1:] in {symbol.get("id") for symbol in root.iter(f"{SPACE}symbol")}


def test_a_name_that_is_too_long_ends_in_an_ellipsis_and_is_told_in_full() -> None:
    name = "the archive of all orders that were ever placed"
    picture = Picture("Long", "Long", ("r",), (Box("a", name, "S3 bucket", "bucket", "r"),), ())
    drawn = svg.draw(picture)
    shown = [text.text or "" for text in texts(drawn)]
    assert any(text.endswith("…") and name.startswith(text[:-1]) for text in shown)
    assert drawn.count(name) == 2  # in the description, and in the box's own title


def test_what_a_stack_calls_itself_cannot_break_the_svg() -> None:
    picture = Picture('<Tom> & "Jerry"', "a < b & c", ("<r>",), (Box("a", "<b>", "&c;", "box", "<r>"),), ())
    assert [text.text for text in texts(svg.draw(picture))] == ['<Tom> & "Jerry"', "<r>", "<b>", "&c;"]


def test_the_legend_explains_what_is_drawn_and_nothing_else() -> None:
    def legend(*arrows: Arrow) -> set[str]:
        return {text.text or "" for text in texts(svg.draw(small(*arrows)))} - {
            "Small",
            "us-east-1",
            "a box",
            "a",
            "b",
            "c",
        }

    assert legend(Arrow("data", "a", "b")) == {"data"}
    assert legend(Arrow("alarm", "a", "b"), Arrow("trigger", "b", "c")) == {"alarms", "triggers"}


def luminance(colour: str) -> float:
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [svg._LIGHT, svg._DARK], ids=["light", "dark"])
def test_colours_have_contrast_on_light_and_dark_pages(palette: dict[str, str]) -> None:
    def contrast(one: str, other: str) -> float:
        bright, dim = sorted((luminance(palette[one]), luminance(palette[other])), reverse=True)
        return (bright + 0.05) / (dim + 0.05)

    for text in ("text", "muted"):
        for behind in ("page", "frame", "box"):
            assert contrast(text, behind) >= 4.5, f"{text} on {behind}"
    for line in model.KINDS:
        for behind in ("page", "frame"):
            assert contrast(line, behind) >= 3, f"{line} on {behind}"
    assert contrast("icon", "tile") >= 4.5 and contrast("edge", "box") >= 3


def test_the_picture_follows_the_page_and_has_a_ground_of_its_own() -> None:
    drawn = svg.draw(LARGE)
    assert drawn.count("@media (prefers-color-scheme: dark)") == 1
    light, _, dark = drawn.partition("@media (prefers-color-scheme: dark)")
    assert svg._LIGHT["page"] in light and svg._DARK["page"] in dark
    assert "http" not in drawn.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", ICONS)
def test_icons_are_lines_within_their_field(name: str) -> None:
    root = ET.fromstring(f"<g>{ICONS[name]}</g>")
    assert len(root) > 0 and {each.tag for each in root} <= {"path", "circle", "ellipse", "rect"}
    assert all("fill" not in each.attrib and "stroke" not in each.attrib for each in root)


def test_shared_ways_are_drawn_once() -> None:
    picture = small(*(Arrow("alarm", name, "z") for name in "abcd"))
    drawn = svg.draw(picture)
    end = laid_out(picture).wires[0].points[-1]
    assert drawn.count(f'class="head alarm" d="M{end[0]} {end[1]}') == 1
    assert len(re.findall(rf'class="wire alarm" d="[^"]*L{end[0] - svg.ARROWHEAD + 2} {end[1]}"', drawn)) == 1


# ------------------------------------------------------------------------------------------ the command line


def test_the_same_stack_gives_the_same_bytes_as_in_its_folder(orrery: Orrery) -> None:
    done = [orrery("graph", "14", "--output", "-", PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert done[0].returncode == 0, done[0].stderr
    assert done[0].stdout == done[1].stdout == (catalog.built("14").path / graph.FILE).read_text()


def test_a_picture_goes_to_the_file_that_is_named(orrery: Orrery, tmp_path: Path) -> None:
    file = tmp_path / "meteor.svg"
    done = orrery("graph", "meteor", "--output", str(file))
    assert (done.returncode, done.stdout) == (0, f"written: {file}\n")
    assert file.read_text() == (catalog.built("01").path / graph.FILE).read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint", "step"),
    [
        (["14_blakhole"], "there is no stack '14_blakhole'; nearest: 14_blackhole", "make list"),
        (["12_galaxy"], "12_galaxy is still to come", "01_meteor"),
        ([""], "no stack is named", "STACK="),
        (["01", "--output", "/proc/none/picture.svg"], "cannot write /proc/none/picture.svg: No such file", "--output"),
        (["01", "--output", "/"], "cannot write /: Is a directory", "--output"),
    ],
)
def test_a_mistake_is_one_line_with_the_next_step(
    orrery: Orrery, arguments: list[str], complaint: str, step: str
) -> None:
    done = orrery("graph", *arguments)
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (1, "", 2), done.stderr
    assert lines[0].startswith("error: ") and complaint in lines[0]
    assert lines[1].startswith("next: ") and step in lines[1]
