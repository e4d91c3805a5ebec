"""Whether one JSON Schema may follow another: judged against what a validator says of documents."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from jobs.schemas import incompatibilities

EVENT = {
    "type": "object",
    "properties": {"id": {"type": "string", "maxLength": 36}, "celsius": {"type": "number", "minimum": -90}},
    "required": ["id"],
}


def changed(**more: Any) -> dict[str, Any]:
    return {**EVENT, "properties": {**EVENT["properties"], **more}}  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (EVENT, ""),
        ({**EVENT, "title": "An event"}, ""),
        ({**EVENT, "required": []}, ""),
        (changed(celsius={"type": ["number", "null"], "minimum": -90}), ""),
        (changed(celsius={"type": "number"}), ""),
        ({**EVENT, "required": ["id", "celsius"]}, "$: celsius is required by the new schema alone"),
        (changed(celsius={"type": "integer", "minimum": -90}), "$.celsius: number is not allowed"),
        (changed(celsius={"type": "number", "minimum": 0}), "$.celsius: minimum 0 of the new schema is tighter"),
        (changed(id={"type": "string", "maxLength": 8}), "$.id: maxLength 8"),
        (changed(id={"type": "string", "maxLength": 36, "pattern": "^a"}), "$.id: the pattern"),
        (changed(id={"enum": ["a"]}), "$.id: only some values"),
        (changed(humidity={"type": "number"}), "$.humidity: array is not allowed"),
        ({**EVENT, "additionalProperties": False}, "$.*: nothing is valid by the new schema"),
        ({**EVENT, "oneOf": [{}]}, "$: oneOf of the new schema can't be judged"),
        (False, "$: nothing is valid"),
    ],
)
def test_a_change_is_judged_and_told(new: Any, reason: str) -> None:
    found = incompatibilities(EVENT, new)
    assert any(each.startswith(reason) for each in found) if reason else found == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ({"const": 1}, {"const": True}, "$: only some values"),
        ({"const": 1}, {"const": 1.0}, ""),
        ({"enum": [0, "a"]}, {"enum": [False, "a"]}, "$: only some values"),
        ({"const": 1}, {"const": 1, "enum": [2]}, "$: only some values"),
        ({"not": {"const": 1}}, {"not": {"const": True}}, "$: not of the new schema can't be judged"),
        ({"prefixItems": [{}], "items": {"type": "null"}}, {"items": {"type": "null"}}, "$: prefixItems"),
        ({"contains": {"const": 1}, "minContains": 0}, {"contains": {"const": 1}}, "$: minContains"),
        ({"items": [{"type": "null"}]}, {"items": [{"type": "string"}]}, "$: items of the new schema can't be judged"),
        ({"items": [{}]}, {"items": {"type": "string"}}, "$: items of the new schema can't be judged"),
        ({"items": [{}], "minLength": 2}, {"items": [{}]}, ""),
    ],
)
def test_what_python_takes_for_equal_and_what_is_left_out_is_judged(old: Any, new: Any, reason: str) -> None:
    found = incompatibilities(old, new)
    assert any(each.startswith(reason) for each in found) if reason else found == []


def test_names_by_pattern_keep_a_closed_schema_open() -> None:
    old = {"type": "object", "patternProperties": {"^a": {}}, "additionalProperties": False}
    assert incompatibilities(old, {"type": "object", "properties": {"a": {"maximum": 1}}}) != []


def test_a_closed_schema_grows_backward_and_not_forward() -> None:
    old = {**EVENT, "additionalProperties": False}
    new = {**changed(humidity={"type": "number"}), "additionalProperties": False}
    assert incompatibilities(old, new) == []
    assert incompatibilities(old, new, "forward") == ["$.humidity: nothing is valid by the old schema"]
    assert incompatibilities(old, new, "full") == incompatibilities(old, new, "forward")


NAMES = some.sampled_from(["a", "b"])
PLAIN = some.one_of(
    some.none(),
    some.booleans(),
    some.integers(-2, 2),
    some.sampled_from([0.5, 1.0]),
    some.sampled_from(["", "x", "xy"]),
)
DOCUMENTS = some.recursive(
    PLAIN, lambda one: some.lists(one, max_size=2) | some.dictionaries(NAMES, one, max_size=2), max_leaves=4
)
TYPES = some.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])


def schemas(deeper: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    return some.fixed_dictionaries(
        {},
        optional={
            "type": some.one_of(TYPES, some.lists(TYPES, min_size=1, max_size=3, unique=True)),
            "enum": some.lists(PLAIN, min_size=1, max_size=3),
            "const": PLAIN,
            "minimum": some.integers(-1, 1),
            "maximum": some.integers(-1, 1),
            "minLength": some.integers(0, 2),
            "maxLength": some.integers(0, 2),
            "pattern": some.sampled_from(["x", "y$"]),
            "items": deeper,
            "prefixItems": some.lists(deeper, min_size=1, max_size=2),
            "contains": some.just({"type": "null"}),
            "minContains": some.integers(0, 1),
            "required": some.lists(NAMES, max_size=2, unique=True),
            "properties": some.dictionaries(NAMES, deeper, max_size=2),
            "patternProperties": some.just({"a": {"type": "string"}}),
            "additionalProperties": deeper,
            "not": some.just({"type": "null"}),
        },
    )


SCHEMAS = some.recursive(some.booleans(), schemas, max_leaves=4)


@settings(max_examples=400, deadline=None)
@given(old=SCHEMAS, new=SCHEMAS, more=some.booleans(), documents=some.lists(DOCUMENTS, min_size=5, max_size=15))
def test_what_was_valid_stays_valid_when_nothing_is_found(old: Any, new: Any, more: bool, documents: list[Any]) -> None:
    if more and isinstance(old, dict):  # mostly two schemas have little in common: let one be a part of the other
        new = {key: value for key, value in old.items() if key in ("type", "required", "properties", "items")}
    assume(incompatibilities(old, new) == [])
    before, after = Draft202012Validator(old), Draft202012Validator(new)
    for document in documents:
        assert after.is_valid(document) or not before.is_valid(document)
