"""What the policies share: how they are registered with checkov, and how they look at a resource.

checkov hands a resource over with every value in a list, in the same form from HCL and from a plan. A plan's
resources carry their address, and `infra.enrich` has put into them what a plan doesn't say.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from checkov.common.bridgecrew.severities import Severities
from checkov.common.models.enums import CheckCategories, CheckResult
from checkov.terraform.checks.data.base_check import BaseDataCheck
from checkov.terraform.checks.provider.base_check import BaseProviderCheck
from checkov.terraform.checks.resource.base_resource_check import BaseResourceCheck

from infra.enrich import LATER, module_of, without_indexes
from infra.policies import POLICIES

Resource = Mapping[str, Any]
_BOOKKEEPING = ("start_line", "end_line")


def value(resource: Resource, name: str) -> Any:
    """Return an argument without the list that checkov puts around it; None where it is not set."""
    found = resource.get(name)
    return found[0] if isinstance(found, list) and len(found) == 1 else found


def text(resource: Resource, name: str) -> str:
    """Return an argument that is text, else nothing."""
    found = value(resource, name)
    return found if isinstance(found, str) else ""


def blocks(resource: Resource, name: str) -> list[dict[str, Any]]:
    """Return the blocks of a name."""
    return [each for each in _flat(resource.get(name)) if isinstance(each, dict)]


def block(resource: Resource, *names: str) -> dict[str, Any]:
    """Return the first block at the end of a path of names, or an empty one."""
    for name in names:
        resource = next(iter(blocks(resource, name)), {})
    return dict(resource)


def strings(resource: Resource, name: str) -> list[str]:
    """Return the texts of an argument that is a list of them, or one."""
    return [each for each in _flat(resource.get(name)) if isinstance(each, str)]


def mapping(resource: Resource, name: str) -> dict[str, Any]:
    """Return an argument that is a map, without checkov's bookkeeping."""
    found = block(resource, name)
    return {key: value(found, key) for key in found if key not in _BOOKKEEPING and not key.startswith("__")}


def document(resource: Resource, name: str) -> dict[str, Any]:
    """Return an argument that is a JSON document, or an empty one where its content is not known."""
    found = value(resource, name)
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except ValueError:
            return {}
    return found if isinstance(found, dict) else {}


def as_list(found: Any) -> list[Any]:
    """Return a list as it is, nothing as an empty one, and anything else as the only element."""
    return found if isinstance(found, list) else [] if found is None else [found]


def _flat(found: Any) -> Iterator[Any]:
    for each in as_list(found):
        if isinstance(each, list):
            yield from _flat(each)
        else:
            yield each


def address(resource: Resource) -> str:
    """Return the resource's address in its plan."""
    return str(resource.get("__address__", ""))


def planned(resource: Resource) -> bool:
    """Tell whether the resource comes from a plan, not from HCL."""
    return "__change_actions__" in resource


def means(reference: Any, resource: Resource) -> bool:
    """Tell whether an argument of another resource names this one: by a value it has, or by where it comes from."""
    if not isinstance(reference, str) or not reference:
        return False
    if reference.startswith(f"{LATER}:"):
        return f"{reference}.".startswith(f"{LATER}:{without_indexes(address(resource))}.")
    identities = ("id", "arn", "name", "bucket", "function_name", "url")
    return reference in [value(resource, each) for each in identities]


class _Judge:
    """What all kinds of checks have in common."""

    policy: ClassVar[str]
    types: ClassVar[Iterable[str]]
    """What it looks at: types of resources, with wildcards."""
    graph: Any
    _index: ClassVar[tuple[Any, dict[str, list[Resource]]]] = (None, {})

    def _register(self, of: type[Any], entities: str) -> None:
        """Register with checkov as a check of resources, data sources or providers."""
        facts = POLICIES[self.policy]
        of.__init__(
            self,
            name=facts.title,
            id=facts.id,
            categories=[CheckCategories.CONVENTION],
            guideline=facts.guideline,
            **{entities: list(self.types)},
        )
        self.severity = Severities[facts.severity.upper()]

    @abstractmethod  # checkov's own base classes see to it
    def keeps(self, resource: Resource) -> bool | None:
        """Tell whether a resource keeps the policy; None where the policy has nothing to say about it."""

    def _answer(self, conf: Resource) -> CheckResult:
        kept = self.keeps(conf)
        return CheckResult.UNKNOWN if kept is None else CheckResult.PASSED if kept else CheckResult.FAILED

    def near(self, resource: Resource, kind: str) -> list[Resource]:
        """Return the resources of a type in the same stack; other stacks may have some of the same name."""
        if _Judge._index[0] is not self.graph:
            found: dict[str, list[Resource]] = defaultdict(list)
            for _, node in self.graph.nodes():
                if node.get("block_type_") == "resource":
                    for of_type, named in node["config_"].items():
                        found[of_type] += named.values()
            _Judge._index = (self.graph, dict(found))
        stack = module_of(address(resource)).split(".")[:2]
        return [each for each in _Judge._index[1].get(kind, []) if module_of(address(each)).split(".")[:2] == stack]

    def attached(self, resource: Resource, kind: str, argument: str) -> list[Resource]:
        """Return the resources of a type that name this one in an argument.

        checkov's own graph is not asked: where a module lacks what a reference leads to, it takes a namesake from
        another module, and a bucket would pass by the versioning of its neighbour.
        """
        return [each for each in self.near(resource, kind) if means(value(each, argument), resource)]


class Policy(_Judge, BaseResourceCheck):  # type: ignore[misc]  # checkov is in another environment than mypy
    """A policy over resources; a subclass says which, and what it wants of them."""

    def __init__(self) -> None:
        self._register(BaseResourceCheck, "supported_resources")

    def scan_resource_conf(self, conf: Resource) -> CheckResult:
        """Answer in checkov's words."""
        return self._answer(conf)


class DataPolicy(_Judge, BaseDataCheck):  # type: ignore[misc]
    """A policy over data sources."""

    def __init__(self) -> None:
        self._register(BaseDataCheck, "supported_data")

    def scan_data_conf(self, conf: Resource) -> CheckResult:
        """Answer in checkov's words."""
        return self._answer(conf)


class ProviderPolicy(_Judge, BaseProviderCheck):  # type: ignore[misc]
    """A policy over providers."""

    def __init__(self) -> None:
        self._register(BaseProviderCheck, "supported_provider")

    def scan_provider_conf(self, conf: Resource) -> CheckResult:
        """Answer in checkov's words."""
        return self._answer(conf)
