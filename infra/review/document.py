"""The review as JSON for programs, and the JSON Schema of that form, both made from the model's own classes."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin, get_type_hints

from infra.review.model import SCHEMA_VERSION, Review


def render(review: Review) -> str:
    """Write the whole review; nothing is left out."""
    # Money is written as text, so that no reader makes a rounded binary number of it.
    return json.dumps(asdict(review), indent=1, sort_keys=True, ensure_ascii=False, default=str) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of what `render` writes.

    A version changes its first number when a field goes or changes its meaning, and its second when one is added.
    """
    definitions: dict[str, Any] = {}
    body = _of(Review, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Orrery review, version {SCHEMA_VERSION}",
        **body,
        "$defs": dict(sorted(definitions.items())),
    }


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    plain = {str: "string", int: "integer", bool: "boolean", Decimal: "string", date: "string"}
    if kind in plain:
        return {"type": plain[kind]}
    if is_dataclass(kind):
        name = getattr(kind, "__name__", "")
        if name not in definitions:
            definitions[name] = {}  # a class that names itself ends here
            hints = get_type_hints(kind)
            names = [each.name for each in fields(kind)]
            definitions[name] = {
                "type": "object",
                "properties": {each: _of(hints[each], definitions) for each in names},
                "required": names,
                "additionalProperties": False,
            }
        return {"$ref": f"#/$defs/{name}"}
    origin, inside = get_origin(kind), get_args(kind)
    if origin is Literal:
        return {"enum": list(inside)}
    if origin is tuple and len(inside) == 2 and inside[1] is Ellipsis:
        return {"type": "array", "items": _of(inside[0], definitions)}
    if origin is tuple:
        items = [_of(each, definitions) for each in inside]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin in (dict, Mapping, types.MappingProxyType) or getattr(origin, "__name__", "") == "Mapping":
        return {"type": "object", "additionalProperties": _of(inside[1], definitions)}
    raise TypeError(f"the schema knows no {kind!r}")
