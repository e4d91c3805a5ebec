"""The review of a plan as data: every form of it (Markdown, JSON, SVG) is written from this alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from infra.enrich import without_indexes
from infra.review.access import AccessChange, access_changes
from infra.review.blast import Blast, blast
from infra.review.cost import Estimate, Priced, estimate
from infra.review.guards import Guard, lowered
from infra.review.holders import Loss, Neighbours, losses
from infra.review.planning import Comparison, Delta
from infra.review.synthetic import regions_of
from infra.review.trees import module_of
from infra.scan import Finding

T = TypeVar("T")
SCHEMA_VERSION = "1.1"
LEVELS = ("none", "low", "medium", "high")
NOISE = ("tags", "tags_all")
LONGEST_VALUE = 200
HIDDEN, UNKNOWN = "(sensitive)", "(known after the apply)"


@dataclass(frozen=True)
class Reason:
    """One rule that a change met: which, how risky that is, and by what."""

    rule: str
    level: str
    text: str


@dataclass(frozen=True)
class Attribute:
    """One attribute that changes, as text; a sensitive value is never shown.

    Parameters
    ----------
    path : str
        Such as ``versioning_configuration[0].status``; a JSON document is opened.
    before, after : str
        Values as JSON, shortened; ``(known after the apply)`` and ``(sensitive)`` stand for what can't be shown.
    replaces : bool
        Whether it forces a replacement.
    """

    path: str
    before: str
    after: str
    replaces: bool = False


@dataclass(frozen=True)
class Change:
    """One resource's change.

    Parameters
    ----------
    stack, module, address, type, action : str
        The resource; module is the instance in the stack.
    attributes : tuple of Attribute
        What changes; for a creation or a destruction nothing is listed.
    folded : tuple of str
        Changed attributes that say nothing: tags beside other changes, and what the provider computes anew.
    moved_from : str
        Its former address.
    certain : bool
        False where the base itself could not be settled for this resource.
    """

    stack: str
    module: str
    address: str
    type: str
    action: str
    attributes: tuple[Attribute, ...] = ()
    folded: tuple[str, ...] = ()
    moved_from: str = ""
    certain: bool = True


@dataclass(frozen=True)
class Review:
    """All that is said about a change.

    Parameters
    ----------
    schema_version : str
        Of the JSON form.
    base, head : str
        What is compared.
    stacks : tuple of str
        The stacks that were looked at.
    unchanged : tuple of str
        Those of them that are the same in both, so that nothing had to be planned.
    failed : mapping
        Stack to why it could not be planned.
    level, verdict : str
        One of `LEVELS`, and the verdict line.
    reasons : tuple of Reason
        Why, the worst first.
    counts : mapping
        Changes by action.
    losses, guards, access, changes, blast, policy_added, policy_mended, cost
        The sections.
    tags : tuple of str
        Default tags of stacks that change.
    """

    schema_version: str
    base: str
    head: str
    stacks: tuple[str, ...]
    unchanged: tuple[str, ...]
    failed: Mapping[str, str]
    level: str
    verdict: str
    reasons: tuple[Reason, ...]
    counts: Mapping[str, int]
    losses: tuple[Loss, ...]
    guards: tuple[Guard, ...]
    blast: Blast
    changes: tuple[Change, ...]
    access: tuple[AccessChange, ...]
    policy_added: tuple[Finding, ...]
    policy_mended: tuple[Finding, ...]
    cost: Estimate
    tags: tuple[str, ...] = field(default=())


def build(
    comparison: Comparison,
    base: str,
    head: str,
    stacks: Sequence[str],
    tags: Sequence[str] = (),
    policy: tuple[Sequence[Finding], Sequence[Finding]] = ((), ()),
    *,
    classes: Sequence[Guard] = (),
    unchanged: Sequence[str] = (),
    others: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Review:
    """Make the review of a comparison.

    Parameters
    ----------
    comparison : Comparison
        What the plan does.
    base, head : str
        What is compared, as people call it.
    stacks : sequence of str
        The stacks that were looked at.
    tags : sequence of str
        Default tags that change, each as a line.
    policy : tuple of two sequences of Finding
        The policy findings that the change adds, and those that it mends.
    classes : sequence of Guard
        Stacks whose data is called more open than before.
    unchanged : sequence of str
        Which of the stacks are the same in both and have no plan.
    others : mapping
        The configurations of all stacks, planned or not, for those that use what changes.
    """
    deltas = sorted(comparison.deltas, key=lambda each: (each.stack, each.address))
    planned = [name for name in stacks if name not in unchanged]
    lost = tuple(losses(deltas, neighbours(comparison, stacks)))
    guards = (*classes, *lowered(deltas))
    access = tuple(access_changes(deltas, within_stacks(comparison.expected, stacks)))
    counts = dict(sorted(Counter(each.action for each in deltas).items()))
    given = configured(comparison.head_plan, stacks)
    reasons = judge(deltas, lost, guards, access, comparison.failed, comparison.unsettled, policy[0])
    level = max((each.level for each in reasons), key=LEVELS.index, default="none")
    return Review(
        SCHEMA_VERSION,
        base,
        head,
        tuple(stacks),
        tuple(unchanged),
        dict(sorted(comparison.failed.items())),
        level,
        verdict(counts, level, reasons, bool(tags)),
        tuple(sorted(reasons, key=lambda each: (-LEVELS.index(each.level), each.rule, each.text))),
        counts,
        lost,
        guards,
        blast(deltas, (comparison.head_plan, comparison.base_plan), planned, others),
        tuple(
            change_of(each, given.get((each.stack, without_indexes(each.address))), comparison.unsettled)
            for each in deltas
        ),
        access,
        tuple(policy[0]),
        tuple(policy[1]),
        estimate(priced(deltas, comparison, stacks)),
        tuple(tags),
    )


def priced(deltas: Sequence[Delta], comparison: Comparison, stacks: Sequence[str]) -> Iterator[Priced]:
    """Yield what changes with its region, for the estimate; what only moves or is forgotten costs what it did."""
    regions: dict[tuple[str, str], str] = {}
    for plan in (comparison.base_plan, comparison.head_plan):
        regions |= within_stacks(regions_of(plan["configuration"]), stacks)
    for each in deltas:
        if each.action not in ("move", "forget"):
            region = regions.get((each.stack, without_indexes(each.address)), "us-east-1")
            yield Priced(f"{each.stack} {each.address}", each.type, region, each.before, each.after)


# ------------------------------------------------------------------------------------------------ verdict

RULES: Mapping[str, tuple[str, str]] = {
    "not-planned": ("high", "A stack could not be planned, so nothing is known of it."),
    "data-destroyed": ("high", "Something that holds data is destroyed or replaced."),
    "made-public": ("high", "Something is opened to everybody."),
    "all-on-all": ("high", "A role may do every action of a service on every resource."),
    "guard-lowered": ("medium", "What protects data, or tells people, is weakened."),
    "left-behind": ("medium", "Something that holds data leaves Terraform's care and stays in the cloud."),
    "replaced": ("medium", "Something without data is replaced: it is gone for a moment, or its address changes."),
    "destroyed": ("medium", "Something without data is destroyed."),
    "policy-broken": ("medium", "A policy has a finding that it didn't have before."),
    "more-rights": ("medium", "Somebody may do more than before."),
    "unknown-rights": ("medium", "Statements of a policy are known only after the apply."),
    "uncertain": ("medium", "What happens to a resource could not be told for certain."),
    "updated": ("low", "Something that exists is changed in place."),
    "created": ("low", "Something new is made."),
    "moved": ("low", "A resource has another address in Terraform; nothing happens to it."),
}
"""The rules of the verdict: how risky each is, and what it means. No score: the worst rule that is met counts."""


def judge(
    deltas: Sequence[Delta],
    lost: Sequence[Loss],
    guards: Sequence[Guard],
    access: Sequence[AccessChange],
    failed: Mapping[str, str],
    unsettled: Sequence[str],
    findings: Sequence[Finding] = (),
) -> list[Reason]:
    """Return which rules a change meets, each once, with what met it."""
    holding = {(each.stack, each.address) for each in lost}
    met: dict[str, list[str]] = {name: [] for name in RULES}
    met["not-planned"] = sorted(failed)
    met["data-destroyed"] = [_named(each) for each in lost if each.action in ("delete", "replace")]
    met["left-behind"] = [_named(each) for each in lost if each.action == "forget"]
    met["guard-lowered"] = [f"{_named(each)} {each.attribute}" for each in guards]
    met["made-public"] = [_named(each) for each in access if each.public]
    met["all-on-all"] = [_named(each) for each in access if each.wild]
    met["more-rights"] = [_named(each) for each in access if each.widens and not each.public]
    met["unknown-rights"] = [_named(each) for each in access if each.note]
    met["policy-broken"] = [f"{each.check_id} {each.address}" for each in findings]
    met["uncertain"] = sorted(unsettled)
    for action, rule in (
        ("replace", "replaced"),
        ("delete", "destroyed"),
        ("update", "updated"),
        ("create", "created"),
        ("move", "moved"),
    ):
        met[rule] = [
            _named(each) for each in deltas if each.action == action and (each.stack, each.address) not in holding
        ]
    return [Reason(rule, RULES[rule][0], _some(who)) for rule, who in met.items() if who]


def verdict(counts: Mapping[str, int], level: str, reasons: Sequence[Reason], tags: bool) -> str:
    """Return the verdict in one line: what changes, how risky it is, and the worst rule that it meets."""
    if not counts and level == "none":
        return "Only default tags change." if tags else "Nothing changes."
    what = ", ".join(f"{counts[each]} to {each}" for each in ACTIONS if counts.get(each)) or "nothing is planned"
    worst = next(each for each in sorted(reasons, key=lambda one: -LEVELS.index(one.level)))
    return f"{what}. Risk: {level}. {RULES[worst.rule][1]}"


ACTIONS = ("delete", "replace", "forget", "update", "create", "move")


def _named(each: Any) -> str:
    return f"{each.stack} {each.address}"


def _some(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    return ", ".join(distinct[:3]) + (f" and {len(distinct) - 3} more" if len(distinct) > 3 else "")


# ------------------------------------------------------------------------------------------------ changes


def neighbours(comparison: Comparison, stacks: Sequence[str]) -> dict[str, Neighbours]:
    """Return what is there before the change, by stack and address: type and attributes."""
    state = comparison.head_plan.get("prior_state") or {}
    root = (state.get("values") or {}).get("root_module", {})
    children = {child["address"]: child for child in root.get("child_modules", [])}
    found: dict[str, Neighbours] = {}
    for name in stacks:
        prefix = f"module.{module_of(name)}"
        found[name] = {
            each["address"].removeprefix(f"{prefix}."): (each["type"], each.get("values") or {})
            for each in _resources(children.get(prefix, {}))
        }
    return found


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def within_stacks(by_address: Mapping[str, T], stacks: Sequence[str]) -> dict[tuple[str, str], T]:
    """Return what is known by address in the merged root by stack and address within it."""
    names = {module_of(name): name for name in stacks}
    found = {}
    for address, values in by_address.items():
        module, _, inner = address.removeprefix("module.").partition(".")
        if module in names:
            found[names[module], inner] = values
    return found


def configured(plan: Mapping[str, Any], stacks: Sequence[str]) -> dict[tuple[str, str], frozenset[str]]:
    """Return which attributes the configuration sets, by stack and address without indexes."""
    calls = plan["configuration"]["root_module"].get("module_calls", {})

    def walk(module: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, frozenset[str]]]:
        for resource in module.get("resources", []):
            yield prefix + resource["address"], frozenset(resource.get("expressions", {}))
        for name, call in module.get("module_calls", {}).items():
            yield from walk(call["module"], f"{prefix}module.{name}.")

    return {
        (stack, address): names
        for stack in stacks
        for address, names in walk(calls.get(module_of(stack), {}).get("module", {}), "")
    }


def change_of(delta: Delta, given: frozenset[str] | None = None, unsettled: Sequence[str] = ()) -> Change:
    """Return what is shown of one resource's change.

    Parameters
    ----------
    delta : Delta
        The change.
    given : frozenset of str, optional
        The attributes that the configuration sets: others that are not known yet are folded.
    unsettled : sequence of str
        Addresses in the merged root that are not certain.
    """
    attributes, folded = [], []
    if delta.action in ("update", "replace"):
        forcing = {str(path[0]) for path in delta.replace_paths if path}
        for path, before, after in differences(delta):
            top = path.partition(".")[0].partition("[")[0]
            computed = after == UNKNOWN and top not in (given or ())
            if top in NOISE or (computed and top not in forcing):
                folded.append(path)
            else:
                attributes.append(Attribute(path, before, after, top in forcing))
        if not attributes:  # then it is the tags that change
            attributes = [Attribute(p, b, a) for p, b, a in differences(delta) if p.startswith("tags.") or p == "tags"]
            folded = [each for each in folded if each not in {one.path for one in attributes}]
    certain = f"module.{module_of(delta.stack)}.{delta.address}" not in unsettled
    module = delta.address.split(".")[1] if delta.address.startswith("module.") else ""
    return Change(
        delta.stack,
        module,
        delta.address,
        delta.type,
        delta.action,
        tuple(attributes),
        tuple(folded),
        delta.moved_from,
        certain,
    )


def differences(delta: Delta) -> Iterator[tuple[str, str, str]]:
    """Yield (path, before, after) for each attribute in which a resource changes."""
    before, after = delta.before or {}, delta.after or {}
    for name in sorted(before.keys() | after.keys() | delta.unknown.keys()):
        if delta.sensitive.get(name) is True:
            if before.get(name) != after.get(name) or delta.unknown.get(name):
                yield name, HIDDEN, HIDDEN
            continue
        hidden = _marks(delta.sensitive.get(name))
        yield from _differ(name, before.get(name), after.get(name), delta.unknown.get(name), hidden)


def _marks(mark: Any) -> Any:
    """Return a mark without what marks nothing."""
    if isinstance(mark, dict):
        return {key: inner for key, each in mark.items() if (inner := _marks(each))}
    if isinstance(mark, list):
        return mark if any(_marks(each) for each in mark) else []
    return mark is True


def _differ(path: str, before: Any, after: Any, unknown: Any, hidden: Any) -> Iterator[tuple[str, str, str]]:
    if hidden:  # something inside is sensitive: nothing of it is shown
        if before != after or unknown:
            yield path, HIDDEN, HIDDEN
        return
    if unknown is True:
        yield path, shown(before), UNKNOWN
        return
    before, after = opened(before), opened(after)
    inside = unknown if isinstance(unknown, dict | list) else {}
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            mark = inside.get(key) if isinstance(inside, dict) else None
            yield from _differ(f"{path}.{key}", before.get(key), after.get(key), mark, False)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            mark = inside[index] if isinstance(inside, list) and index < len(inside) else None
            yield from _differ(f"{path}[{index}]", one, other, mark, False)
    elif before != after and not (before in (None, "", [], {}) and after in (None, "", [], {})):
        yield path, shown(before), shown(after)


def opened(value: Any) -> Any:
    """Return a JSON document that is kept as text as what it holds."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def shown(value: Any) -> str:
    """Return a value as JSON, shortened."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
