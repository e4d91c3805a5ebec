"""Terraform's type expressions, and whether a Python value fits one.

Terraform checks types itself, but only in a plan, seconds later and in words that point into generated JSON. The
same check here names the stack, the module and the variable while the stack is being built.
Source: the Terraform language manual, "Type Constraints".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[A-Za-z_][\w-]*|-?\d+(?:\.\d+)?|[(){}\[\],=:])')
_REFERENCE = re.compile(r"\$\{[^}]+\}|\$?\{?TfToken\[")


@dataclass(frozen=True)
class Type:
    """A Terraform type: a primitive, a collection of an element type, or an object.

    Parameters
    ----------
    kind : str
        string, number, bool, any, list, set, map, object or tuple.
    element : Type, optional
        What a list, set or map holds.
    attributes : mapping of str to Type
        What an object holds.
    optional : frozenset of str
        The attributes that may be left out.
    items : tuple of Type
        What a tuple holds, in order.
    """

    kind: str
    element: Type | None = None
    attributes: Mapping[str, Type] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    items: tuple[Type, ...] = ()

    def __str__(self) -> str:
        """Write the type as Terraform does, on one line."""
        if self.kind in ("list", "set", "map"):
            return f"{self.kind}({self.element})"
        if self.kind == "tuple":
            return f"tuple([{', '.join(map(str, self.items))}])"
        if self.kind == "object":
            parts = []
            for name, type_ in self.attributes.items():
                parts.append(f"{name} = optional({type_})" if name in self.optional else f"{name} = {type_}")
            return "object({" + ", ".join(parts) + "})"
        return self.kind


ANY = Type("any")


def parse(expression: str) -> Type:
    """Read a type expression such as ``map(object({a = string, b = optional(number, 3)}))``.

    Raises
    ------
    ValueError
        The text is no type expression.
    """
    tokens = _TOKEN.findall(expression)
    type_, rest = _parse(tokens)
    if rest:
        raise ValueError(f"unexpected {rest[0]!r} in type {expression!r}")
    return type_


def _parse(tokens: list[str]) -> tuple[Type, list[str]]:
    if not tokens:
        raise ValueError("a type is missing")
    head, rest = tokens[0], tokens[1:]
    if head in ("string", "number", "bool", "any"):
        return Type(head), rest
    if head in ("list", "set", "map"):
        if not rest or rest[0] != "(":
            return Type(head, element=ANY), rest
        element, rest = _parse(rest[1:])
        return Type(head, element=element), _expect(rest, ")")
    if head == "tuple":
        rest, items = _expect(_expect(rest, "("), "["), []
        while rest and rest[0] != "]":
            item, rest = _parse(rest)
            items.append(item)
            rest = rest[1:] if rest and rest[0] == "," else rest
        return Type("tuple", items=tuple(items)), _expect(_expect(rest, "]"), ")")
    if head == "object":
        return _parse_object(rest)
    raise ValueError(f"{head!r} is no type")


def _parse_object(tokens: list[str]) -> tuple[Type, list[str]]:
    rest = _expect(_expect(tokens, "("), "{")
    attributes: dict[str, Type] = {}
    optional = set()
    while rest and rest[0] != "}":
        name, rest = rest[0].strip('"'), rest[1:]
        rest = _expect(rest, "=" if rest and rest[0] == "=" else ":")
        if rest and rest[0] == "optional":
            optional.add(name)
            attributes[name], rest = _parse(_expect(rest[1:], "("))
            rest = _skip_to_close(rest)
        else:
            attributes[name], rest = _parse(rest)
        rest = rest[1:] if rest and rest[0] == "," else rest
    type_ = Type("object", attributes=attributes, optional=frozenset(optional))
    return type_, _expect(_expect(rest, "}"), ")")


def _skip_to_close(tokens: list[str]) -> list[str]:
    """Drop the default value of ``optional(type, default)`` and its closing parenthesis."""
    depth = 0
    for index, token in enumerate(tokens):
        if token in "([{":
            depth += 1
        elif token in ")]}":
            if depth == 0:
                return tokens[index + 1 :]
            depth -= 1
    raise ValueError("a closing parenthesis is missing")


def _expect(tokens: list[str], token: str) -> list[str]:
    if not tokens or tokens[0] != token:
        raise ValueError(f"{token!r} expected")
    return tokens[1:]


def mismatch(value: Any, type_: Type, path: str = "") -> str | None:
    """Say why a value doesn't fit a type, or return None where it fits.

    References to other resources fit everywhere: their type is known only to Terraform.

    Parameters
    ----------
    value : object
        What a stack passes: str, int, float, bool, None, list, tuple, set, dict, or a module's output.
    type_ : Type
        The variable's declared type.
    path : str
        Where in the value we are, such as ``.rules[0]``; empty at the top.

    Returns
    -------
    str or None
        ``"<path> is a number (3), string expected"``.
    """
    if value is None or is_reference(value) or type_.kind == "any":
        return None
    at = f"{path} is" if path else "got"
    complaint = f"{at} {_describe(value)}, {type_} expected"
    if type_.kind in ("string", "number", "bool"):
        return None if _fits_primitive(value, type_.kind) else complaint
    if type_.kind in ("list", "set", "tuple"):
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence | set | frozenset):
            return complaint
        if type_.kind == "tuple" and len(value) != len(type_.items):
            return complaint
        elements = type_.items if type_.kind == "tuple" else [type_.element or ANY] * len(value)
        found = (mismatch(item, t, f"{path}[{i}]") for i, (item, t) in enumerate(zip(value, elements, strict=True)))
        return next((text for text in found if text), None)
    if not isinstance(value, Mapping):
        return complaint
    if type_.kind == "map":
        found = (mismatch(item, type_.element or ANY, f"{path}[{key!r}]") for key, item in value.items())
        return next((text for text in found if text), None)
    return _object_mismatch(value, type_, path)


def _object_mismatch(value: Mapping[str, Any], type_: Type, path: str) -> str | None:
    where = path or "the object"
    unknown = sorted(set(value) - set(type_.attributes))
    if unknown:
        return f"{where} has no attribute {unknown[0]!r} (it has: {', '.join(type_.attributes)})"
    missing = sorted(set(type_.attributes) - set(value) - type_.optional)
    if missing:
        return f"{where} lacks {missing[0]!r} ({type_.attributes[missing[0]]})"
    found = (mismatch(value[key], type_.attributes[key], f"{path}.{key}") for key in value)
    return next((text for text in found if text), None)


def is_reference(value: Any) -> bool:
    """Tell whether a value stands for something that only Terraform will know."""
    return hasattr(value, "terraform_reference") or (isinstance(value, str) and bool(_REFERENCE.search(value)))


def _fits_primitive(value: Any, kind: str) -> bool:
    if kind == "bool":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, str)


def _describe(value: Any) -> str:
    names = {bool: "a bool", int: "a number", float: "a number", str: "a string", list: "a list", dict: "a map"}
    shown = repr(value)
    return f"{names.get(type(value), type(value).__name__)} ({shown if len(shown) < 60 else shown[:57] + '...'})"
