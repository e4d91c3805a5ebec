"""Terraform's type expressions, and what fits them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra import types
from infra.stack import Ref

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,7}", fullmatch=True)
PRIMITIVES = st.sampled_from(["string", "number", "bool", "any"])


def _objects(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    def written(attributes: dict[str, tuple[str, str]]) -> str:
        parts = [f"{name} = {wrap.format(type_)}" for name, (type_, wrap) in attributes.items()]
        return "object({" + ", ".join(parts) + "})"

    wraps = st.sampled_from(
        ["{}", "optional({})", 'optional({}, "a, b)")', "optional({}, 3)", "optional({}, {{ x = [1, (2)] }})"]
    )
    return st.dictionaries(NAMES, st.tuples(inner, wraps), max_size=4).map(written)


def _collections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    kinds = st.sampled_from(["list({})", "set({})", "map({})"])
    tuples = st.lists(inner, max_size=3).map(lambda items: f"tuple([{', '.join(items)}])")
    return st.one_of(st.tuples(kinds, inner).map(lambda pair: pair[0].format(pair[1])), _objects(inner), tuples)


EXPRESSIONS = st.recursive(PRIMITIVES, _collections, max_leaves=8)


@given(EXPRESSIONS)
def test_what_is_written_is_read_as_the_same_type(expression: str) -> None:
    once = types.parse(expression)
    assert types.parse(str(once)) == once


def _value_of(type_: types.Type) -> st.SearchStrategy[Any]:
    simple: dict[str, st.SearchStrategy[Any]] = {
        "string": st.text(max_size=5),
        "number": st.one_of(st.integers(), st.floats(allow_nan=False)),
        "bool": st.booleans(),
        "any": st.one_of(st.none(), st.integers(), st.text(max_size=3)),
    }
    if type_.kind in simple:
        return simple[type_.kind]
    if type_.kind == "tuple":
        return st.tuples(*(_value_of(item) for item in type_.items))
    if type_.kind == "object":
        needed = {name: _value_of(t) for name, t in type_.attributes.items() if name not in type_.optional}
        extra = {name: _value_of(t) for name, t in type_.attributes.items() if name in type_.optional}
        return st.fixed_dictionaries(needed, optional=extra)
    element = _value_of(type_.element or types.ANY)
    return st.dictionaries(NAMES, element, max_size=3) if type_.kind == "map" else st.lists(element, max_size=3)


@given(st.data(), EXPRESSIONS)
def test_a_value_made_for_a_type_fits_it(data: st.DataObject, expression: str) -> None:
    type_ = types.parse(expression)
    assert types.mismatch(data.draw(_value_of(type_)), type_) is None


@pytest.mark.parametrize(
    ("value", "expression", "complaint"),
    [
        ("3", "number", "got a string ('3'), number expected"),
        (3, "string", "got a number (3), string expected"),
        (True, "number", "got a bool (True), number expected"),
        (1, "bool", "got a number (1), bool expected"),
        ("abc", "list(string)", "got a string ('abc'), list(string) expected"),
        ({"a": 1}, "set(string)", "got a map ({'a': 1}), set(string) expected"),
        (["a", 2], "list(string)", "[1] is a number (2), string expected"),
        ({"a": ["x", None, 4]}, "map(list(string))", "['a'][2] is a number (4), string expected"),
        ([1], "tuple([number, string])", "got a list ([1]), tuple([number, string]) expected"),
        ([], "map(string)", "got a list ([]), map(string) expected"),
        ({"b": 1}, "object({a = number})", "the object has no attribute 'b' (it has: a)"),
        ({}, "object({a = number, b = optional(string)})", "the object lacks 'a' (number)"),
        ({"a": {"b": "x"}}, "object({a = object({b = bool})})", ".a.b is a string ('x'), bool expected"),
        ([{"a": 1}, {"c": 1}], "list(object({a = number}))", "[1] has no attribute 'c' (it has: a)"),
    ],
)
def test_a_wrong_value_is_named_with_its_place(value: Any, expression: str, complaint: str) -> None:
    assert types.mismatch(value, types.parse(expression)) == complaint


@pytest.mark.parametrize("reference", [Ref("${module.a.b}"), "${module.a.b}", "x-${var.y}", "${TfToken[TOKEN.0]}"])
@pytest.mark.parametrize("expression", ["string", "number", "bool", "list(string)", "object({a = number})"])
def test_a_reference_fits_everywhere(reference: str, expression: str) -> None:
    assert types.mismatch(reference, types.parse(expression)) is None


def test_a_long_value_is_shortened_in_the_complaint() -> None:
    complaint = types.mismatch("x" * 500, types.parse("number"))
    assert complaint and len(complaint) < 120


@pytest.mark.parametrize(
    "text",
    [
        "",
        "strin",
        "list(",
        "list(string",
        "map(string))",
        "object({a})",
        "object({a = optional(string})",
        "tuple(string)",
    ],
)
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        types.parse(text)
