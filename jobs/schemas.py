"""Whether a topic's new JSON Schema may follow its old one: what was valid, and is in the topic still, stays valid.

It errs on the safe side: a keyword that it does not know, and a change that it can't judge, are reported.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Schema = Mapping[str, Any] | bool
Direction = Literal["backward", "forward", "full"]

ALL_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
JUDGED = {
    "additionalProperties",
    "const",
    "enum",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "type",
}
LOOSENS = {"minContains", "prefixItems"}
"""Keywords whose absence may be tighter: others mean less beside them."""
SAY_NOTHING = {"$comment", "$id", "$schema", "default", "description", "examples", "title"}


def incompatibilities(old: Schema, new: Schema, direction: Direction = "backward") -> list[str]:
    """Return why a schema can't take the place of another; nothing when it can.

    Parameters
    ----------
    old, new : mapping or bool
        JSON Schemas.
    direction : {"backward", "forward", "full"}
        Backward: who reads by the new schema can read what was written by the old one. Forward: who still reads by the
        old one can read what is written by the new one. Full: both.

    Examples
    --------
    >>> incompatibilities({"type": "object"}, {"type": "object", "required": ["id"]})
    ['$: id is required by the new schema alone']
    >>> incompatibilities({"type": "integer"}, {"type": "number"})
    []
    """
    found = []
    if direction in ("backward", "full"):
        found += _narrower(old, new, "$", "the new schema")
    if direction in ("forward", "full"):
        found += _narrower(new, old, "$", "the old schema")
    return found


def _narrower(wide: Schema, narrow: Schema, at: str, who: str) -> list[str]:
    """Say what is valid by ``wide`` and may not be by ``narrow``."""
    if wide is False or narrow is True or _key(wide) == _key(narrow):
        return []
    if narrow is False:
        return [f"{at}: nothing is valid by {who}"]
    assert not isinstance(narrow, bool)
    return list(_differences({} if wide is True else wide, narrow, at, who))


def _differences(wide: Mapping[str, Any], narrow: Mapping[str, Any], at: str, who: str) -> Iterator[str]:
    unknown = set(narrow) - JUDGED - SAY_NOTHING | (LOOSENS & set(wide))
    if any(isinstance(each.get("items"), list) for each in (wide, narrow)):  # one schema for each place: old drafts
        unknown.add("items")
    for keyword in sorted(unknown):
        if not _same(wide, narrow, keyword):
            yield f"{at}: {keyword} of {who} can't be judged"
    values, types = _values(wide), _types(wide)
    for each in sorted(types - _allowed(narrow)):
        yield f"{at}: {each} is not allowed by {who}"
    allowed = _values(narrow)
    if allowed is not None:
        missing = None if values is None else [each for each in values if _key(each) not in set(map(_key, allowed))]
        if missing is None or missing:
            yield f"{at}: only some values are allowed by {who}"
    if values is not None and any(isinstance(each, (dict, list)) for each in values):
        yield f"{at}: listed objects and arrays can't be judged"
    yield from _bounds(wide, narrow, types, at, who)
    if "object" in types:
        yield from _objects(wide, narrow, at, who)
    if "array" in types and "items" in narrow and "items" not in unknown:
        yield from _narrower(wide.get("items", True), narrow["items"], f"{at}[]", who)


def _bounds(
    wide: Mapping[str, Any], narrow: Mapping[str, Any], types: frozenset[str], at: str, who: str
) -> Iterator[str]:
    for keyword, kinds, sign in (
        ("minimum", {"integer", "number"}, 1),
        ("maximum", {"integer", "number"}, -1),
        ("minLength", {"string"}, 1),
        ("maxLength", {"string"}, -1),
    ):
        if keyword in narrow and types & kinds:
            has = wide.get(keyword)
            if has is None or sign * has < sign * narrow[keyword]:
                yield f"{at}: {keyword} {narrow[keyword]} of {who} is tighter"
    if "pattern" in narrow and "string" in types and wide.get("pattern") != narrow["pattern"]:
        yield f"{at}: the pattern of {who} is another"


def _objects(wide: Mapping[str, Any], narrow: Mapping[str, Any], at: str, who: str) -> Iterator[str]:
    for name in narrow.get("required", ()):
        if name not in wide.get("required", ()):
            yield f"{at}: {name} is required by {who} alone"
    others = True if "patternProperties" in wide else wide.get("additionalProperties", True)
    other_ones = narrow.get("additionalProperties", True)
    mine, theirs = wide.get("properties", {}), narrow.get("properties", {})
    for name in sorted({*mine, *theirs}):
        yield from _narrower(mine.get(name, others), theirs.get(name, other_ones), f"{at}.{name}", who)
    yield from _narrower(others, other_ones, f"{at}.*", who)


def _same(wide: Mapping[str, Any], narrow: Mapping[str, Any], keyword: str) -> bool:
    if keyword in wide and keyword in narrow:
        return _key(wide[keyword]) == _key(narrow[keyword])
    return keyword not in wide and keyword not in narrow


def _values(schema: Mapping[str, Any]) -> list[Any] | None:
    """Return the values that a schema lists, if it does."""
    listed = list(schema["enum"]) if "enum" in schema else None
    if "const" not in schema:
        return listed
    const = schema["const"]
    return [const] if listed is None or _key(const) in set(map(_key, listed)) else []


def _types(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that values of a schema may have."""
    named = _named(schema)
    values = _values(schema)
    return named if values is None else frozenset(map(_type_of, values))


def _allowed(schema: Mapping[str, Any]) -> frozenset[str]:
    """Return the types that a schema takes: an integer is a number."""
    named = _named(schema)
    return named | {"integer"} if "number" in named else named


def _named(schema: Mapping[str, Any]) -> frozenset[str]:
    named = schema.get("type", ALL_TYPES)
    return frozenset([named] if isinstance(named, str) else named)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    return {dict: "object", list: "array", str: "string", int: "integer", type(None): "null"}[type(value)]


def _key(value: Any) -> str:
    """Return a value as text, in which true is not 1."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True)
