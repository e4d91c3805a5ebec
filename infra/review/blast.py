"""The blast radius: what depends on what changes, along the references of the configuration and across stacks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from infra.enrich import without_indexes
from infra.review.planning import Delta
from infra.review.trees import module_of

Node = str
"""``stack/module.instance``: a module of a stack, or ``stack/`` and a resource that stands in no module."""


@dataclass(frozen=True)
class Blast:
    """What a change reaches.

    Parameters
    ----------
    changed : tuple of str
        The module instances that change, as ``stack/module``.
    reached : tuple of (str, int)
        Those that depend on them, with the number of steps.
    edges : tuple of (str, str)
        From what is depended on to what depends on it; only among the two above.
    """

    changed: tuple[Node, ...]
    reached: tuple[tuple[Node, int], ...]
    edges: tuple[tuple[Node, Node], ...]


def blast(
    deltas: Sequence[Delta],
    plans: Iterable[Mapping[str, Any]],
    stacks: Sequence[str],
    others: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Blast:
    """Follow the references backwards from all that changes.

    Parameters
    ----------
    deltas : sequence of Delta
        The changes.
    plans : iterable of mapping
        Plans whose configurations are read: of the head, and of the base for what is only there.
    stacks : sequence of str
        The stacks' ids.
    others : mapping
        Stacks that were not planned, as nothing changes in them, and their configurations: they may use what changes.
    """
    written = {name: json.dumps(configuration) for name, configuration in others.items() if name not in stacks}
    used: dict[Node, set[Node]] = {}
    for plan in plans:
        for user, needed in edges(plan, stacks):
            used.setdefault(needed, set()).add(user)
        for needed, user in shared_outputs(plan, stacks, written):
            used.setdefault(needed, set()).add(user)
    changed = sorted({node(each.stack, each.address) for each in deltas})
    distance = dict.fromkeys(changed, 0)
    layer = changed
    while layer:
        following = sorted({user for each in layer for user in used.get(each, ()) if user not in distance})
        distance |= {each: distance[layer[0]] + 1 for each in following}
        layer = following
    kept = sorted((one, other) for one in distance for other in used.get(one, ()) if other in distance and one != other)
    reached = sorted((each, steps) for each, steps in distance.items() if steps)
    return Blast(tuple(changed), tuple(reached), tuple(kept))


def node(stack: str, address: str) -> Node:
    """Return the node of a resource: the module instance that the stack itself calls."""
    found = re.match(r"module\.\w+", without_indexes(address))
    return f"{stack}/{found[0] if found else without_indexes(address)}"


def edges(plan: Mapping[str, Any], stacks: Sequence[str]) -> Iterator[tuple[Node, Node]]:
    """Yield (user, needed) for each module of a stack that refers to another one's output."""
    calls = plan["configuration"]["root_module"].get("module_calls", {})
    for stack in stacks:
        inner = calls.get(module_of(stack), {}).get("module", {})
        for name, call in inner.get("module_calls", {}).items():
            needed = {each for each in references(call.get("expressions", {})) if each.startswith("module.")}
            needed |= {each for each in call.get("depends_on", []) if each.startswith("module.")}
            for other in {".".join(each.split(".")[:2]) for each in needed}:
                yield f"{stack}/module.{name}", f"{stack}/{without_indexes(other)}"


def references(expressions: Any) -> Iterator[str]:
    """Yield all that a block of expressions refers to."""
    if isinstance(expressions, Mapping):
        for key, value in expressions.items():
            if key == "references" and isinstance(value, list):
                yield from map(str, value)
            else:
                yield from references(value)
    elif isinstance(expressions, list):
        for each in expressions:
            yield from references(each)


def shared_outputs(
    plan: Mapping[str, Any], stacks: Sequence[str], others: Mapping[str, str] = MappingProxyType({})
) -> Iterator[tuple[Node, Node]]:
    """Yield (owner, user) where an output of one stack stands among the values of another one.

    Stacks are separate states; what they share are names and ARNs, and the user has them written in its configuration:
    that is looked through for the others, which have no plan. A value shorter than eight characters says nothing.
    """
    values = plan.get("planned_values", {})
    children = {child["address"]: child for child in values.get("root_module", {}).get("child_modules", [])}
    texts = {name: json.dumps(children.get(f"module.{module_of(name)}")) for name in stacks} | dict(others)
    calls = plan["configuration"]["root_module"].get("module_calls", {})
    for owner in stacks:
        inner = calls.get(module_of(owner), {}).get("module", {})
        for body in inner.get("outputs", {}).values():
            target = next((each for each in references(body) if each.startswith("module.")), "")
            value = _named(children.get(f"module.{module_of(owner)}", {}), target)
            for user, text in texts.items():
                if user != owner and len(value) >= 8 and json.dumps(value)[1:-1] in text:
                    yield f"{owner}/{'.'.join(target.split('.')[:2])}", f"{user}/"


def _named(stack: Mapping[str, Any], target: str) -> str:
    """Return the physical name of the main resource of a module, as its planned values say it."""
    instance = ".".join(target.split(".")[:2])
    if not instance:
        return ""
    for child in stack.get("child_modules", []):
        if child["address"].endswith("." + instance):
            for resource in child.get("resources", []):
                name = resource["values"].get("bucket") or resource["values"].get("name")
                if resource["name"] == "this" and isinstance(name, str):
                    return name
    return ""
