"""What was changed behind Terraform's back: read from a plan, told attribute by attribute.

A plan holds both halves: ``resource_drift`` says what refreshing the state found, ``resource_changes`` what a
deployment would do about it. Most entries of the first are no drift: Terraform reads a resource's policies and rules
once more as part of the resource that they belong to, and the provider takes "nothing said" for "empty". The tables
below say what is left out, each with its reason; the rest is drift. `_standing` looks for what Terraform doesn't see.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from infra import deploy, trail
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.output import Ui
from infra.terraform import DATA_HOLDERS, instances

VERSION = 1
"""Version of the JSON form."""

FOUND = 3
"""Exit code where drift was found: 1 is a failure, 2 a command that was not understood."""

REVERTS, LEAVES, SETS = "reverts", "leaves", "sets"
"""What a deployment does about a difference; the last: the configuration says something else by now."""

FOLDED: Mapping[tuple[str, str], str] = {
    ("*", "last_modified"): "AWS's clock; what was modified is told beside it",
    ("*", "tags"): "tags_all holds them too, with those of the provider",
    ("aws_apigatewayv2_stage", "deployment_id"): "a stage that deploys by itself gets a new one with each route",
    ("aws_db_instance", "latest_restorable_time"): "moves on every five minutes",
    ("aws_lambda_function", "source_code_size"): "the code is told by its hash",
    ("aws_s3_object", "version_id"): "each write makes one; the content is told by its etag",
}
"""(resource type, attribute) to the reason why a change of it is not drift."""

_BUCKET = {
    "acceleration_status": "accelerate_configuration",
    "acl": "acl",
    "cors_rule": "cors_configuration",
    "grant": "acl",
    "lifecycle_rule": "lifecycle_configuration",
    "logging": "logging",
    "object_lock_configuration": "object_lock_configuration",
    "policy": "policy",
    "replication_configuration": "replication_configuration",
    "request_payer": "request_payment_configuration",
    "server_side_encryption_configuration": "server_side_encryption_configuration",
    "versioning": "versioning",
    "website": "website_configuration",
}
TOLD_BY: Mapping[tuple[str, str], tuple[str, str]] = {
    **{("aws_s3_bucket", name): (f"aws_s3_bucket_{kind}", "bucket") for name, kind in _BUCKET.items()},
    ("aws_iam_role", "inline_policy"): ("aws_iam_role_policy", "role"),
    ("aws_iam_role", "managed_policy_arns"): ("aws_iam_role_policy_attachment", "role"),
    ("aws_kms_key", "policy"): ("aws_kms_key_policy", "key_id"),
    ("aws_secretsmanager_secret", "policy"): ("aws_secretsmanager_secret_policy", "secret_arn"),
    ("aws_security_group", "egress"): ("aws_vpc_security_group_egress_rule", "security_group_id"),
    ("aws_security_group", "ingress"): ("aws_vpc_security_group_ingress_rule", "security_group_id"),
    ("aws_sns_topic", "policy"): ("aws_sns_topic_policy", "arn"),
    ("aws_sqs_queue", "policy"): ("aws_sqs_queue_policy", "queue_url"),
}
"""(type, attribute) to the resource type that is the same thing in the cloud, and its attribute that names the owner.

Where the stack has such a resource for the owner, the drift is told there, and only there.
"""

_SECRET = re.compile(r"passw|secret|token|credential|api_?key|private_?key", re.IGNORECASE)
_LABELS = ("Sid", "id", "name")


@dataclass(frozen=True)
class Hidden:
    """A sensitive value: compared like any other, never shown."""

    value: Any = field(repr=False)


@dataclass(frozen=True)
class Difference:
    """One attribute: what it was, what it is now, what a deployment does about it, and whether a state records it."""

    attribute: str
    before: Any
    after: Any
    deploy: str
    recorded: bool = True


@dataclass(frozen=True)
class Drifted:
    """One resource that was changed or deleted.

    Parameters
    ----------
    address, type : str
        What Terraform calls it.
    values : mapping
        Its attributes before the drift.
    differences : tuple of Difference
        None: the resource is gone.
    planned : str
        What a deployment does with it: create, update, replace, delete; nothing where it leaves it alone.
    source : str
        The module that it comes from, such as ``modules/key``.
    who : Write, optional
        The last write that AWS has recorded.
    """

    address: str
    type: str
    values: Mapping[str, Any]
    differences: tuple[Difference, ...]
    planned: str
    source: str
    who: trail.Write | None = None

    @property
    def name(self) -> str:
        """What AWS calls it."""
        return next(iter(trail.names(self.values)), "")

    @property
    def deleted(self) -> bool:
        """Whether it is gone."""
        return not self.differences

    @property
    def foreign_code(self) -> bool:
        """Whether it is a function that runs another code than its package's, and a deployment would not see it."""
        return any(each.attribute == "code_sha256" and each.deploy == LEAVES for each in self.differences)

    @property
    def found(self) -> tuple[Any, ...]:
        """What was found, without what a deployment does about it."""
        return self.address, [(each.attribute, each.before, each.after) for each in self.differences]


@dataclass(frozen=True)
class Report:
    """The drift of a stack; what was left out, as (address, attribute, reason); how many other changes are planned."""

    resources: tuple[Drifted, ...]
    folded: tuple[tuple[str, str, str], ...]
    other_changes: int


# -- from a plan to a report -----------------------------------------------------------------------------------


def read(plan: Mapping[str, Any]) -> Report:
    """Read a plan in Terraform's JSON form, and keep what is drift."""
    state = plan.get("prior_state", {}).get("values", {})
    present = {each["address"]: each for each in _resources(state.get("root_module", {}))}
    drifts = {each["address"]: each for each in plan.get("resource_drift", []) if "deposed" not in each}
    changes = {each["address"]: each["change"] for each in plan.get("resource_changes", []) if "deposed" not in each}
    # What was deleted is in no state any more; its place in its owner was its own all the same.
    managed = [(each["type"], each["values"]) for each in present.values()]
    managed += [(each["type"], each["change"]["before"]) for each in drifts.values()]
    found: list[Drifted] = []
    folded: list[tuple[str, str, str]] = []
    for address in sorted({*present, *drifts}):
        kind, change = (present.get(address) or drifts[address])["type"], changes.get(address, {})
        differences: list[Difference] = []
        if address in drifts:
            differences += _refreshed(drifts[address], change, managed, folded)
        if address in present:
            differences += _standing(kind, present[address]["values"], change, managed)
        if differences or address not in present:
            values = drifts[address]["change"]["before"] if address in drifts else present[address]["values"]
            source = _source(plan, address)
            found.append(Drifted(address, kind, values, tuple(differences), _action(change), source))
    told = {each.address for each in found}
    others = sum(address not in told and bool(_action(change)) for address, change in changes.items())
    return Report(tuple(found), tuple(sorted(folded)), others)


def _refreshed(
    drift: Mapping[str, Any],
    change: Mapping[str, Any],
    managed: list[tuple[str, Any]],
    folded: list[tuple[str, str, str]],
) -> Iterator[Difference]:
    """Yield what refreshing found in a resource that is still there; add to the folded what is no drift."""
    kind, found = drift["type"], drift["change"]
    if found["after"] is None:
        return
    marks = found.get("before_sensitive"), found.get("after_sensitive")
    before, after = (_masked(_masked(found[side], marks[0]), marks[1]) for side in ("before", "after"))
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        reason = FOLDED.get((kind, name)) or FOLDED.get(("*", name))
        if not reason and same(was, now):
            reason = "nothing said and empty are the same"
        if not reason and (name == "code_sha256" and _hashes(found["after"])):
            reason = "compared with the package instead of with its last value"
        if not reason and _parts((kind, name), found["after"], managed):
            reason = f"told by {TOLD_BY[kind, name][0]}"
        if reason:
            folded.append((drift["address"], name, reason))
            continue
        fate = _fate(name, found, change)
        for path, old, new in list(differences(was, now)) or [("", was, now)]:
            yield Difference(("tags" if name == "tags_all" else name) + path, old, new, fate)


def _fate(name: str, found: Mapping[str, Any], change: Mapping[str, Any]) -> str:
    """Return what a deployment does about an attribute that refreshing found changed."""
    if not _action(change):
        return LEAVES
    if change["after"] is None or change.get("after_unknown", {}).get(name) is True:
        return SETS
    planned = change["after"].get(name)
    if same(planned, found["before"].get(name)):
        return REVERTS
    return LEAVES if same(planned, found["after"].get(name)) else SETS


def _standing(
    kind: str, values: Mapping[str, Any], change: Mapping[str, Any], managed: list[tuple[str, Any]]
) -> Iterator[Difference]:
    """Yield what Terraform would not, or no longer once an apply has written it into the state.

    It compares the hash of a function's package with the last package's, not with the code that runs; and it takes
    whatever policies and rules a resource has for a fact, also those that belong to no resource of the stack.
    """
    packed, runs = _hashes(values) or ("", "")
    if packed != runs:
        uploads = _action(change) == "replace" or (change.get("after") or values).get("source_code_hash") != packed
        yield Difference("code_sha256", packed, runs, SETS if uploads else LEAVES, recorded=False)
    for (owner, name), (of_item, of_part) in LISTED.items():
        own = {of_part(part) for part in _parts((owner, name), values, managed)} if owner == kind else set()
        for item in (values.get(name) or []) if own else []:
            foreign = sorted(of_item(item) - own)
            if foreign:
                yield Difference(f"{name}[{json.dumps(foreign[0])}]", None, item, LEAVES, recorded=False)


def _hashes(values: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the hashes of a function's package and of the code that runs, where they can be compared."""
    packed, runs = values.get("source_code_hash") or "", values.get("code_sha256") or ""
    return (packed, runs) if packed and len(packed) == len(runs) else None


def _parts(attribute: tuple[str, str], values: Mapping[str, Any], managed: list[tuple[str, Any]]) -> list[Any]:
    """Return the stack's resources that are the same thing as this attribute of the resource with these values."""
    if attribute not in TOLD_BY:
        return []
    kind, key = TOLD_BY[attribute]
    owner = {values.get(name) for name in ("id", "arn", "name", "url")} - {None}
    return [each for other, each in managed if other == kind and each.get(key) in owner]


def _listed_rules(item: Mapping[str, Any]) -> set[str]:
    """Return the single rules that an entry of a security group stands for."""
    sources = [*item["cidr_blocks"], *item["ipv6_cidr_blocks"], *item["prefix_list_ids"], *item["security_groups"]]
    sources += ["self"] if item["self"] else []
    return {_rule(item["protocol"], item["from_port"], item["to_port"], each) for each in sources}


def _own_rule(part: Mapping[str, Any]) -> str:
    group = (part.get("referenced_security_group_id") or "").rpartition("/")[2]
    source = part.get("cidr_ipv4") or part.get("cidr_ipv6") or part.get("prefix_list_id") or group
    source = "self" if group == part["security_group_id"] else source
    return _rule(part["ip_protocol"], part.get("from_port"), part.get("to_port"), source)


def _rule(protocol: str, first: Any, last: Any, source: str) -> str:
    return f"all {source}" if protocol == "-1" else f"{protocol} {first}-{last} {source}"


LISTED: Mapping[tuple[str, str], tuple[Callable[[Any], set[str]], Callable[[Any], str]]] = {
    ("aws_iam_role", "inline_policy"): (lambda item: {item["name"]}, lambda part: str(part["name"])),
    ("aws_iam_role", "managed_policy_arns"): (lambda item: {item}, lambda part: str(part["policy_arn"])),
    ("aws_security_group", "egress"): (_listed_rules, _own_rule),
    ("aws_security_group", "ingress"): (_listed_rules, _own_rule),
}
"""The attributes of `TOLD_BY` that are lists of single things: what an element is, and which resource explains it.

An element that no resource of the stack explains was added by hand, and no resource would tell it.
"""


def _action(change: Mapping[str, Any]) -> str:
    """Return what a plan does with a resource; nothing where it leaves or only reads it."""
    actions = [each for each in change.get("actions", []) if each not in ("no-op", "read")]
    return "replace" if len(actions) == 2 else "".join(actions)


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the managed resources of a module in a state, and of all modules below it."""
    yield from (each for each in module.get("resources", []) if each["mode"] == "managed")
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _source(plan: Mapping[str, Any], address: str) -> str:
    """Return where the module of an address lies, such as ``modules/key``."""
    calls = plan.get("configuration", {}).get("root_module", {}).get("module_calls", {})
    parts = address.split(".")
    source = calls.get(parts[1], {}).get("source", "") if parts[0] == "module" else ""
    return source[source.find("modules/") :] if "modules/" in source else ""


# -- comparing values ------------------------------------------------------------------------------------------


def same(before: Any, after: Any) -> bool:
    """Compare two values as the provider does: nothing said is empty or false, and JSON is compared as JSON."""
    return bool(_plain(before) == _plain(after))


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield each place where two values differ, as deep as it goes; elements of lists are paired by what they are.

    Yields
    ------
    tuple
        The path below the attribute, the value before, the value after; None stands for nothing.
    """
    if same(before, after):
        return
    was, now = _opened(before), _opened(after)
    if isinstance(was, dict) and isinstance(now, dict):
        for key in sorted({*was, *now}):
            yield from differences(was.get(key), now.get(key), f"{path}.{key}")
    elif isinstance(was, list) and isinstance(now, list):
        yield from _lists(was, now, path)
    else:
        yield path, before, after


def _lists(before: list[Any], after: list[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    rest = list(after)
    gone = []
    for item in before:
        twin = next((each for each in rest if same(item, each)), None)
        if twin is None:
            gone.append(item)
        else:
            rest.remove(twin)
    if not gone and not rest:
        yield path, before, after  # only the order
    if len(gone) == len(rest) == 1 and type(gone[0]) is type(rest[0]) and isinstance(gone[0], dict):
        yield from differences(gone[0], rest[0], f"{path}{_index(gone[0], before)}")
        return
    for item in gone:
        label = _label(item)
        twin = next((each for each in rest if label and _label(each) == label), None)
        if twin is None:
            yield f"{path}{_index(item, before)}", item, None
        else:
            rest.remove(twin)
            yield from differences(item, twin, f"{path}{_index(item, before)}")
    for item in rest:
        yield f"{path}{_index(item, after)}", None, item


def _label(item: Any) -> str:
    found = next((item[key] for key in _LABELS if item.get(key)), "") if isinstance(item, dict) else ""
    return found if isinstance(found, str) else ""


def _index(item: Any, items: list[Any]) -> str:
    label = _label(item)
    return f"[{json.dumps(label)}]" if label else f"[{items.index(item)}]"


def _opened(value: Any) -> Any:
    """Return what a JSON document in a string says, its lists in one order; anything else as it is."""
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return _sorted(json.loads(value))
        except ValueError:
            return value
    return value


def _plain(value: Any) -> Any:
    """Return a form in which equal things are equal: without what is empty, JSON opened."""
    if isinstance(value, Hidden):
        return _plain(value.value)
    opened = _opened(value)
    if opened is not value:
        return opened
    if isinstance(value, dict):
        kept = {key: _plain(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each is not None} or None
    if isinstance(value, list):
        return [_plain(each) for each in value] or None
    return None if value == "" or value is False else value


def _sorted(document: Any) -> Any:
    """Return a JSON document with its lists in one order: in policies it means nothing."""
    if isinstance(document, dict):
        return {key: _sorted(each) for key, each in document.items()}
    if isinstance(document, list):
        return sorted((_sorted(each) for each in document), key=lambda each: json.dumps(each, sort_keys=True))
    return document


def _masked(value: Any, sensitive: Any, name: str = "") -> Any:
    """Hide what Terraform marks as sensitive, and text whose name says that it is a secret."""
    if isinstance(value, Hidden):
        return value
    if sensitive is True or (isinstance(value, str) and _SECRET.search(name) and not value.startswith("arn:")):
        return Hidden(value) if value not in (None, "") else value
    if isinstance(value, dict):
        named = sensitive if isinstance(sensitive, dict) else {}
        return {key: _masked(each, named.get(key), key) for key, each in value.items()}
    if isinstance(value, list):
        marks = sensitive if isinstance(sensitive, list) else []
        return [_masked(each, marks[i] if i < len(marks) else None, name) for i, each in enumerate(value)]
    return value


# -- what the user sees ----------------------------------------------------------------------------------------


def drift(info: StackInfo, target_name: str, ui: Ui, *, adopt: bool = False, as_json: bool = False) -> Report:
    """Look for drift in a deployed stack, print it, and record it in the state where that is asked for.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    target_name : str
        local or aws.
    ui : Ui
        Where to show it.
    adopt : bool
        Write into the state what was found; the cloud stays as it is.
    as_json : bool
        Print JSON instead of text.

    Raises
    ------
    OrreryError
        It isn't deployed, another run works on it, or the cloud changes faster than it can be shown.
    """
    with deploy.session(info, target_name, ui) as at:
        at.live()  # raises where nothing is deployed
        plan = at.terraform.plan(name="drift.tfplan")
        report = read(at.terraform.show(plan))
        plan.path.unlink(missing_ok=True)  # it is for reading only: a deployment makes its own
        if not at.target.local:
            history = trail.Trail(at.target, at.stack.regions, ui)
            found = tuple(replace(each, who=history.last_write(each.type, each.values)) for each in report.resources)
            report = replace(report, resources=found)
        if as_json:
            ui.say(json.dumps(as_dict(report, info, target_name), indent=2, sort_keys=True, ensure_ascii=False))
        else:
            for line in as_text(report, info, target_name, ui.verbose):
                ui.say(line)
        if adopt and report.resources:
            _adopt(at, report)
            ui.note(f"the state of {info.id} has it now; what the configuration sets otherwise, a deployment reverts")
        return report


def _adopt(at: deploy.Session, shown: Report) -> None:
    """Write into the state what was shown, and nothing else."""
    plan = at.terraform.plan(refresh_only=True, name="adopt.tfplan")
    if [each.found for each in read(at.terraform.show(plan)).resources] != [each.found for each in shown.resources]:
        plan.path.unlink(missing_ok=True)
        raise OrreryError("the cloud was changed once more since it was shown", next_step="look at it: run it again")
    at.terraform.apply(plan)
    foreign = {each.address for each in shown.resources if each.foreign_code}
    if foreign:
        at.terraform.edit_state(lambda state: record_code(state, foreign))


def record_code(state: dict[str, Any], addresses: Collection[str]) -> None:
    """Write into a state which code runs in functions: the next deployment sees that it isn't the package's.

    Refreshing keeps the hash of the last package there, whatever runs; so nothing would ever bring the package back.
    """
    for address, resource, instance in instances(state):
        if address in addresses and resource["type"] == "aws_lambda_function":
            instance["attributes"]["source_code_hash"] = instance["attributes"]["code_sha256"]


def as_text(report: Report, info: StackInfo, target: str, verbose: bool = False) -> Iterator[str]:
    """Yield the lines that tell a report."""
    if not report.resources:
        yield f"{info.id} on {target}: no drift."
    else:
        what = deploy.counted(len(report.resources), "resource")
        yield f"{info.id} on {target}: {what} changed behind Terraform's back."
        if target == "local":
            yield "By whom is unknown: the local cloud keeps no CloudTrail history."
    for each in report.resources:
        yield ""
        yield f"{each.address}  ({each.name})"
        if each.deleted:
            yield "  deleted"
        for one in each.differences:
            left = "" if one.deploy == REVERTS else f"  [a deployment {one.deploy} it{' anew' * (one.deploy == SETS)}]"
            yield f"  {one.attribute}: {_short(one.before)} → {_short(one.after)}{left}"
        if target != "local":
            yield f"  last write: {f'{each.who.event} by {each.who.user}, {each.who.time}' if each.who else 'unknown'}"
        yield f"  revert: {revert(each, info, target)}"
        yield f"  adopt:  {adopt(each, info, target)}"
    if report.resources:
        yield ""
    if report.other_changes:
        plan = f"./orrery plan {info.id} --target {target}"
        yield f"Planned besides, and no drift: {deploy.counted(report.other_changes, 'change')} ({plan})."
    if report.folded and not verbose:
        what = deploy.counted(len(report.folded), "attribute")
        yield f"Folded, as no drift: {what} that Terraform read anew; --verbose gives the reasons."
    for address, attribute, reason in report.folded if verbose else ():
        yield f"  folded: {address} {attribute}: {reason}"


def as_dict(report: Report, info: StackInfo, target: str) -> dict[str, Any]:
    """Return the JSON form: `VERSION` grows when a field changes its meaning or goes."""
    return {
        "version": VERSION,
        "stack": info.id,
        "target": target,
        "resources": [
            {
                "address": each.address,
                "type": each.type,
                "name": each.name,
                "change": "deleted" if each.deleted else "changed",
                "attributes": [
                    {
                        "attribute": one.attribute,
                        "before": _shown(one.before),
                        "after": _shown(one.after),
                        "deploy": one.deploy,
                    }
                    for one in each.differences
                ],
                "last_write": asdict(each.who) if each.who else None,
                "revert": revert(each, info, target),
                "adopt": adopt(each, info, target),
            }
            for each in report.resources
        ],
        "folded": [dict(zip(("address", "attribute", "reason"), each, strict=True)) for each in report.folded],
        "other_changes": report.other_changes,
    }


def revert(each: Drifted, info: StackInfo, target: str) -> str:
    """Return in one line how to bring a resource back to what the configuration says."""
    deployment = f"make deploy STACK={info.id}{' TARGET=aws' * (target == 'aws')}"
    if each.foreign_code:
        return f"{_adopt_command(info, target)}, then {deployment}: it uploads the package once it knows"
    if not each.planned or (each.differences and all(one.deploy == LEAVES for one in each.differences)):
        return "undo it where it was made: no deployment touches it"
    warning = " (replaces the resource)" if each.planned == "replace" else ""
    if each.planned in ("replace", "delete") and each.type in DATA_HOLDERS:
        warning = f" ({each.planned}s the resource, AND THE DATA THAT IT HOLDS)"
    return deployment + warning


def adopt(each: Drifted, info: StackInfo, target: str) -> str:
    """Return in one line how to keep what is there now."""
    if each.differences and all(one.deploy == LEAVES and one.recorded for one in each.differences):
        return _adopt_command(info, target)
    parts = each.address.split(".")
    place = f"stacks/{info.id}/stack.py"
    if parts[0] == "module":
        place = f"{parts[1]!r} in {place}{f', or {each.source}' if each.source else ''}"
    return f"{'take it out of' if each.deleted else 'write it into'} {place}"


def _adopt_command(info: StackInfo, target: str) -> str:
    return f"./orrery drift {info.id}{' --target aws' * (target == 'aws')} --adopt"


def _shown(value: Any) -> Any:
    """Return a value without what must not be shown, JSON in it opened."""
    value = _opened(value)
    if isinstance(value, Hidden):
        return "(sensitive)"
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_shown(each) for each in value]
    return value


def _short(value: Any, width: int = 160) -> str:
    """Return a value for a line of text."""
    if value is None:
        return "(nothing)"
    if isinstance(value, Hidden):
        return "(sensitive)"
    text = json.dumps(_shown(value), sort_keys=True, ensure_ascii=False)
    return text if len(text) <= width else f"{text[: width - 1]}…"
