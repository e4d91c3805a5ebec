"""The three forms: Markdown that always fits, JSON that follows its schema, an SVG that can be read."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import jsonschema
import pytest

from infra.review import document, markdown, model, svg
from infra.review.blast import Blast
from tests.review.plans import STACK, allow, comparison, delta
from tests.review.plans import document as policy


def large(count: int, *, value: str = "v") -> model.Review:
    """Return a review of many changes of every kind."""
    changes = []
    for number in range(count):
        changes.append(
            delta(f"module.m{number}.aws_s3_bucket.this", "replace", {"bucket": f"{value}{number}"}, {"bucket": "b"})
        )
        after = {"policy": policy(allow(f"s3:Get{number}", f"arn:aws:s3:::{value}"))}
        changes.append(delta(f"module.m{number}.aws_iam_role_policy.this", "update", {"policy": policy()}, after))
    made = model.build(comparison(*changes), "1234567", "working tree", [STACK])
    nodes = [f"{STACK}/module.n{number}" for number in range(count)]
    blast = Blast((nodes[0],), tuple((node, 1) for node in nodes[1:]), tuple((nodes[0], node) for node in nodes[1:]))
    return model.Review(**{**made.__dict__, "blast": blast})


@pytest.mark.parametrize("count", [2, 40, 400, 4000])
def test_the_page_always_fits_a_comment_and_keeps_the_verdict(count: int) -> None:
    made = large(count)
    page = markdown.render(made, "review.json")
    assert len(page) <= markdown.LIMIT
    assert page.startswith(f"{markdown.MARKER}\n## {made.verdict}")
    assert ("review.json" in page) == ("Shortened" in page) == (count >= 400)
    assert "Data-loss watch" in page, "what loses data is never left out whole"


@pytest.mark.parametrize("limit", [200, 500, 2000, 8000])
def test_it_fits_whatever_the_limit(limit: int) -> None:
    assert len(markdown.render(large(60, value="x" * 300), limit=limit)) <= limit


def test_what_is_left_out_is_counted() -> None:
    page = markdown.render(large(400), limit=20_000)
    assert " more" in page and "_Shortened to fit a comment. All of it is in `review.json`._" in page


def test_the_same_review_has_the_same_bytes() -> None:
    for render in (markdown.render, document.render, svg.render):
        assert render(large(30)) == render(large(30))


def test_backticks_in_a_value_break_nothing() -> None:
    change = delta("aws_sns_topic.t", "update", {"display_name": "a`b"}, {"display_name": "``c"})
    page = markdown.render(model.build(comparison(change), "b", "h", [STACK]))
    assert '`` "a`b" ``' in page


def test_json_follows_its_schema_and_a_planted_field_does_not() -> None:
    written = json.loads(document.render(large(3)))
    jsonschema.Draft202012Validator(document.schema()).validate(written)
    written["changes"][0]["colour"] = "red"
    with pytest.raises(jsonschema.ValidationError, match="colour"):
        jsonschema.Draft202012Validator(document.schema()).validate(written)


def test_the_picture_is_well_formed_and_says_what_it_shows() -> None:
    root = ElementTree.fromstring(svg.render(large(5)))
    space = "{http://www.w3.org/2000/svg}"
    assert root.get("role") == "img"
    assert root.findtext(f"{space}title") == large(5).verdict
    assert f"{STACK}/module.n4" in (root.findtext(f"{space}desc") or "")


@pytest.mark.parametrize("count", [1, 5, 60, 200])
def test_no_box_of_the_picture_leaves_it(count: int) -> None:
    root = ElementTree.fromstring(svg.render(large(count)))
    width, height = float(root.get("width") or 0), float(root.get("height") or 0)
    boxes = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if each.get("x")]
    for box in boxes:
        assert float(box.get("x") or 0) + float(box.get("width") or 0) <= width
        assert float(box.get("y") or 0) + float(box.get("height") or 0) <= height
