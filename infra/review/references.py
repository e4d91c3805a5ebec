"""Where a value comes from that a plan doesn't know: the reference in the configuration, followed to a resource.

It only has to be right most of the time: what is filled in by it is planned again, and Terraform's answer wins. Each
right guess saves a replacement that is none, and so a round of planning (`infra.review.planning`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from infra.enrich import Address, Configuration, module_of, without_indexes

_LOCAL = re.compile(r"^  (\w+) += (.+)$", re.MULTILINE)
_LOCALS = re.compile(r"^locals {$(.*?)^}$", re.MULTILINE | re.DOTALL)
_NAMES = re.compile(r"[a-z]\w*(?:\.\w+)+")


class References(Configuration):
    """The configuration of a plan, with the local values of its modules, which the plan leaves out.

    Parameters
    ----------
    plan : mapping
        The plan in Terraform's JSON form.
    root : Path
        The folder it was planned in.
    addresses : iterable of str
        The resources that the plan makes.
    """

    def __init__(self, plan: Mapping[str, Any], root: Path, addresses: Iterable[Address]) -> None:
        super().__init__(plan, root)
        self._instances: dict[Address, list[Address]] = {}
        for address in addresses:
            self._instances.setdefault(without_indexes(address), []).append(address)

    def origins(self, address: Address, attribute: str) -> list[tuple[Address, str]]:
        """Return the resources and their attributes that one of a resource's own attributes is made of.

        What stands in a branch that isn't taken is left out: the plan makes no such resource.
        """
        source = self.sources.get(without_indexes(address))
        expression = source.expressions.get(attribute) if source else None
        written = expression.get("references", []) if isinstance(expression, dict) else []
        found = []
        for path in sorted(self.trace(module_of(address), written)):
            resource, _, name = path.rpartition(".")
            instances = self._instances.get(resource, [])
            if len(instances) > 1:  # for_each over the same keys
                instances = [each for each in instances if _index(each) == _index(address)]
            found += [(each, name) for each in instances]
        return found

    def _trace_one(self, prefix: Address, reference: str) -> set[str]:
        kind, *path = reference.split(".")
        if kind != "local":
            return super()._trace_one(prefix, reference)
        text = _locals(self._modules[prefix].folder).get(path[0], "")
        names = [name for name in _NAMES.findall(text) if name != reference]
        return {each for name in names for each in self._trace_one(prefix, ".".join([name, *path[1:]]))}


def _index(address: Address) -> str:
    return address[address.rindex("[") :] if address.endswith("]") else ""


@cache
def _locals(folder: Path) -> dict[str, str]:
    """Return the local values of a module's folder that are written on one line."""
    text = "\n".join(file.read_text() for file in sorted(folder.glob("*.tf")))
    return {name: value for block in _LOCALS.findall(text) for name, value in _LOCAL.findall(block)}
