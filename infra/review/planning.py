"""The plan that is reviewed: the head's against a synthetic state of the base, or against the real one."""

from __future__ import annotations

import http.server
import json
import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra import plan as plans
from infra import stack, targets
from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import CACHE
from infra.review.synthetic import Synthetic, Types, as_text, attribute_types
from infra.review.trees import Tree, module_of
from infra.terraform import ACTIONS as PLANNED
from infra.terraform import Terraform, write_configuration

SETTLED = 4
"""The version of what is kept of a settled base; count it up when the way of settling changes."""
ROUNDS = 5
"""How often the base is planned against its own synthetic state at most; a chain of replacements takes one each."""


@dataclass(frozen=True)
class Delta:
    """What a plan does to one resource.

    Parameters
    ----------
    stack : str
        The stack's id.
    address : str
        Within the stack, such as ``module.users.aws_dynamodb_table.this``.
    type : str
        The resource type.
    action : str
        create, update, replace, delete, forget (leaves the state, stays in the cloud), or move.
    before, after : mapping or None
        Its attributes.
    unknown : mapping
        Which of `after` are known only after an apply: true, or the same form inside.
    sensitive : mapping
        Which attributes are sensitive, before or after.
    replace_paths : tuple
        The attributes that force a replacement.
    moved_from : str
        Its former address, where a ``moved`` block names one.
    """

    stack: str
    address: str
    type: str
    action: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    unknown: Mapping[str, Any]
    sensitive: Mapping[str, Any]
    replace_paths: tuple[tuple[str | int, ...], ...] = ()
    moved_from: str = ""


@dataclass(frozen=True)
class Comparison:
    """What a plan would do to what is there.

    Parameters
    ----------
    deltas : tuple of Delta
        Each resource that changes.
    base_plan, head_plan : mapping
        Both plans in Terraform's JSON form, as merged roots.
    expected : mapping
        What Terraform would find in the plan's place once it was applied, by address within the merged root: for values
        that the plan itself doesn't know yet.
    unsettled : tuple of str
        Addresses whose change is not certain.
    failed : mapping
        Stack id to why it could not be planned.
    """

    deltas: tuple[Delta, ...]
    base_plan: Mapping[str, Any]
    head_plan: Mapping[str, Any]
    unsettled: tuple[str, ...]
    failed: Mapping[str, str]
    expected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def compare(base: Tree, head: Tree, stacks: Sequence[str], ui: Ui) -> Comparison:
    """Plan stacks of the head against a synthetic state of the base; nothing outside this machine is asked.

    A stack that can't be planned is left out and named in ``failed``; the others are compared all the same.
    """
    failed = {
        name: tree.stacks[name].error
        for tree in (base, head)
        for name in stacks
        if name in tree.stacks and tree.stacks[name].error
    }
    left = [name for name in stacks if name not in failed]
    with offline_aws() as endpoint:
        base_plan, plan, synthetic = dict(EMPTY_PLAN), dict(EMPTY_PLAN), Synthetic()
        expected: dict[str, Any] = {}
        while left:
            try:
                base_plan, synthetic, types = _base(base, left, endpoint, ui)
                plan = _head(head, left, synthetic, types, endpoint, ui)
                if unknown_policies(plan):
                    expected = _applied(head, left, synthetic, plan, types, endpoint, ui)
                break
            except _NotPlanned as error:
                failed |= error.reasons
                left = [name for name in left if name not in failed]
    deltas = tuple(d for change in plan.get("resource_changes", []) if (d := delta(change, left)))
    return Comparison(deltas, base_plan, plan, synthetic.unsettled, failed, expected)


def creation(tree: Tree, stacks: Sequence[str], ui: Ui) -> dict[str, Any]:
    """Plan stacks of a tree as if nothing were there, as a scan does; return the plan in Terraform's JSON form."""
    with offline_aws() as endpoint:
        return _head(tree, stacks, Synthetic(), _read_types(), endpoint, ui)


def unknown_policies(plan: Mapping[str, Any]) -> bool:
    """Tell whether a policy's statements are not known in a plan, because of a name or an ARN that changes with it."""
    for change in plan.get("resource_changes", []):
        unknown = change["change"].get("after_unknown") or {}
        if change["mode"] == "managed" and any(unknown.get(name) is True for name in POLICY_ATTRIBUTES):
            return True
    return False


POLICY_ATTRIBUTES = ("assume_role_policy", "policy", "source_arn")


def _applied(
    tree: Tree,
    stacks: Sequence[str],
    synthetic: Synthetic,
    plan: Mapping[str, Any],
    types: Types,
    endpoint: str,
    ui: Ui,
) -> dict[str, Any]:
    """Pretend that the head's plan was applied, plan once more, and return all attributes by address."""
    following = synthetic.follow(plan, types, targets.OFFLINE_ACCOUNT, tree.folder)
    again = _head(tree, stacks, following, types, endpoint, ui)
    return {
        change["address"]: change["change"]["after"]
        for change in again["resource_changes"]
        if change["mode"] == "managed" and change["change"]["after"] is not None
    }


class _NotPlanned(Exception):
    """Some stacks can't be planned, and why."""

    def __init__(self, reasons: dict[str, str]) -> None:
        super().__init__(reasons)
        self.reasons = reasons


def _base(tree: Tree, stacks: Sequence[str], endpoint: str, ui: Ui) -> tuple[dict[str, Any], Synthetic, Types]:
    """Return the base's settled plan and the synthetic state that it settled on.

    What a stack settles on follows from its configuration and its modules alone, so it is kept under their fingerprint:
    the next review, against this base or another one, settles only the stacks that differ.
    """
    present = [name for name in stacks if name in tree.stacks]
    missing = [name for name in present if not _kept(tree, name).exists()]
    types = _settle(tree, missing, endpoint, ui) if missing or not _types_file().exists() else _read_types()
    parts = [json.loads(_kept(tree, name).read_text()) for name in present]
    resources = {address: body for part in parts for address, body in part["resources"].items()}
    unsettled = tuple(address for part in parts for address in part["unsettled"])
    return _composed([part["plan"] for part in parts]), Synthetic(resources, unsettled), types


def kept_folder() -> Path:
    """Return where what is known of bases is kept, for this version of the provider and this way of settling."""
    return CACHE / "review" / f"{SETTLED}-{stack.PROVIDERS['aws']['version']}"


def _kept(tree: Tree, name: str) -> Path:
    return kept_folder() / f"{module_of(name)}-{tree.stacks[name].fingerprint[:24]}.json"


def keep_as(tree: Tree, name: str, other: Tree, copy: str) -> None:
    """Keep what a stack settled on for a copy of it under another name too: it need not be settled again."""
    text = _kept(tree, name).read_text()
    write_json(_kept(other, copy), json.loads(re.sub(rf"\b{module_of(name)}\b", module_of(copy), text)))


def _settle(tree: Tree, stacks: Sequence[str], endpoint: str, ui: Ui) -> Types:
    """Plan stacks of the base against their own synthetic state until nothing is left to do; keep each one's part."""
    terraform = _root(tree, stacks, endpoint, ui)
    types = _types(terraform)
    if not stacks:
        return types
    synthetic, plan = Synthetic(), dict(EMPTY_PLAN)
    with ui.step("settling the base"):
        for _ in range(ROUNDS):
            _write_state(terraform, synthetic, types)
            made = _planned(terraform, tree, stacks)
            if not made.changes and synthetic.resources:
                break
            plan = terraform.show(made)
            synthetic = synthetic.follow(plan, types, targets.OFFLINE_ACCOUNT, tree.folder)
    unsettled, plan = sorted(change.address for change in made.changes), as_settled(plan, synthetic)
    for name in stacks:
        own = f"module.{module_of(name)}."
        document = {
            "plan": part_of(plan, module_of(name)),
            "resources": {key: body for key, body in synthetic.resources.items() if key.startswith(own)},
            "unsettled": [address for address in unsettled if address.startswith(own)],
        }
        write_json(_kept(tree, name), document)
    return types


def as_settled(plan: Mapping[str, Any], synthetic: Synthetic) -> dict[str, Any]:
    """Return a plan as the next one would show it: all values as the synthetic state has them, no data to be read."""
    known = {address: body["attributes"] for address, body in synthetic.resources.items()}

    def under(module: Mapping[str, Any]) -> dict[str, Any]:
        resources = [
            {**each, "values": known[each["address"]]}
            for each in module.get("resources", [])
            if each["address"] in known
        ]
        children = [under(child) for child in module.get("child_modules", [])]
        return {**module, "resources": resources, "child_modules": children}

    changes = [
        {**each, "change": {**each["change"], "after": known[each["address"]], "after_unknown": {}}}
        for each in plan["resource_changes"]
        if each["address"] in known
    ]
    root = under(plan["planned_values"].get("root_module", {}))
    return {**plan, "resource_changes": changes, "planned_values": {"root_module": root}}


def part_of(plan: Mapping[str, Any], module: str) -> dict[str, Any]:
    """Return what a merged plan says of one module of its root."""
    own, configuration = f"module.{module}", plan["configuration"]
    calls = configuration["root_module"].get("module_calls", {})
    children = plan.get("planned_values", {}).get("root_module", {}).get("child_modules", [])
    tags = plan.get("variables", {}).get("stack_tags", {}).get("value", {})
    return {
        "tags": {module: tags[module]} if module in tags else {},
        "format_version": plan["format_version"],
        "configuration": {
            "provider_config": configuration.get("provider_config", {}),
            "root_module": {"module_calls": {module: calls[module]} if module in calls else {}},
        },
        "planned_values": {"root_module": {"child_modules": [each for each in children if each["address"] == own]}},
        "resource_changes": [
            each for each in plan.get("resource_changes", []) if each["address"].startswith(f"{own}.")
        ],
    }


def _composed(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Put the parts of several modules together again."""
    providers: dict[str, Any] = {}
    calls: dict[str, Any] = {}
    children: list[Any] = []
    changes: list[Any] = []
    tags: dict[str, Any] = {}
    for part in parts:
        tags |= part["tags"]
        providers |= part["configuration"]["provider_config"]
        calls |= part["configuration"]["root_module"]["module_calls"]
        children += part["planned_values"]["root_module"]["child_modules"]
        changes += part["resource_changes"]
    return {
        **{name: EMPTY_PLAN[name] for name in ("format_version", "terraform_version")},
        "configuration": {"provider_config": providers, "root_module": {"module_calls": calls}},
        "planned_values": {"root_module": {"child_modules": children}},
        "resource_changes": changes,
        "variables": {"stack_tags": {"value": tags}},
    }


def write_json(file: Path, document: Any) -> None:
    """Write a file that another review may read at the same time."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, sort_keys=True))
    temporary.replace(file)


EMPTY_PLAN: Mapping[str, Any] = {
    "format_version": "1.2",
    "terraform_version": "1.11.0",  # checkov takes nothing for a plan that has none
    "configuration": {"root_module": {}},
    "planned_values": {"root_module": {}},
    "resource_changes": [],
}


def _head(
    tree: Tree, stacks: Sequence[str], synthetic: Synthetic, types: Types, endpoint: str, ui: Ui
) -> dict[str, Any]:
    terraform = _root(tree, [name for name in stacks if name in tree.stacks], endpoint, ui)
    _write_state(terraform, synthetic, types)
    return terraform.show(_planned(terraform, tree, stacks))


def _root(tree: Tree, stacks: Sequence[str], endpoint: str, ui: Ui) -> Terraform:
    """Write the merged root of a tree's stacks and return Terraform, initialised in it."""
    configurations = {module_of(name): dict(tree.stacks[name].configuration) for name in stacks}
    for name, configuration in configurations.items():
        (tree.folder / name).mkdir(parents=True, exist_ok=True)
        write_configuration(tree.folder / name, plans.as_child(configuration))
    environment = {**targets.offline().environment, "AWS_ENDPOINT_URL": endpoint}
    terraform = Terraform(tree.folder, environment, ui)
    root = plans.merged_root(configurations)
    if not configurations:
        del root["module"]  # Terraform refuses an empty one
    if not root["provider"]["aws"]:  # nothing but removals: the state names a provider all the same
        root["provider"]["aws"] = [{"alias": "us_east_1"} | targets.offline().provider("us-east-1", {})]
    terraform.write(root)
    try:
        terraform.init()
    except OrreryError as error:
        raise _blamed(error, tree, stacks) from error
    return terraform


def _types(terraform: Terraform) -> Types:
    """Return the attribute types of all resource types, kept per version of the provider."""
    if not _types_file().exists():
        write_json(_types_file(), attribute_types(terraform.schemas()))
    return _read_types()


def _types_file() -> Path:
    return CACHE / "review" / f"types-{SETTLED}-{stack.PROVIDERS['aws']['version']}.json"


def _read_types() -> Types:
    return {name: (version, kinds) for name, (version, kinds) in json.loads(_types_file().read_text()).items()}


def _write_state(terraform: Terraform, synthetic: Synthetic, types: Types) -> None:
    alias = json.loads((terraform.folder / "main.tf.json").read_text())["provider"]["aws"][0]["alias"]
    source = "registry.terraform.io/hashicorp/aws"
    names = {each["provider"] for each in synthetic.resources.values()} | {source}
    providers = {name: f'provider["{name}"]' + (f".{alias}" if name == source else "") for name in names}
    (terraform.folder / "terraform.tfstate").write_text(as_text(synthetic.state(types, providers)))


def _planned(terraform: Terraform, tree: Tree, stacks: Sequence[str]) -> Any:
    """Plan; where it fails, say which stacks are to blame."""
    try:
        return terraform.plan(refresh=False)
    except OrreryError as error:
        raise _blamed(error, tree, stacks) from error


def _blamed(error: OrreryError, tree: Tree, stacks: Sequence[str]) -> Exception:
    """Return which stacks an error of Terraform's is about, or the error itself where that can't be told.

    It names the module's call in the merged root; or else only a file, and then it is about all stacks that use that.
    """
    text = f"{error.what}\n{error.details}"
    blamed = [name for name in stacks if re.search(rf"\b{re.escape(module_of(name))}\b", text)]
    where = ""
    if not blamed:
        files = [(tree.folder / each).resolve() for each in re.findall(r"[^\s\"]+\.tf(?:\.json)?\b", text)]
        used = {name: _sources(tree, name) for name in stacks}
        blamed = [name for name in stacks if any(file.is_relative_to(each) for file in files for each in used[name])]
        known = [file for file in files if file.is_relative_to(tree.root.resolve())]
        where = f" in {known[0].relative_to(tree.root.resolve())}" if blamed and known else ""
    if not blamed and len(stacks) == 1:
        blamed = list(stacks)
    return _NotPlanned({name: _said_of(error, name) + where for name in blamed}) if blamed else error


def _said_of(error: OrreryError, name: str) -> str:
    """Return what Terraform says of one stack: its own error where there are several, else the first."""
    parts = [" ".join(part.split()) for part in error.details.split("\n\n")]
    own = [part for part in parts if re.search(rf"\b{re.escape(module_of(name))}\b", part)]
    begin = "terraform plan failed: "  # other commands don't keep their errors apart
    if len(parts) < 2 or not own or not error.what.startswith(begin.rstrip(": ")):
        return error.what
    said = f"{begin}{own[0]}"
    return said if len(said) <= 400 else f"{said[:397]}..."


def _sources(tree: Tree, name: str) -> list[Path]:
    """Return the folders of a stack's modules, and of those that these are made of."""
    blocks = tree.stacks[name].configuration.get("module", {}) if name in tree.stacks else {}
    waiting = [(tree.folder / module_of(name) / each["source"]).resolve() for each in blocks.values()]
    found: dict[Path, None] = {}
    while waiting:
        folder = waiting.pop()
        if folder not in found:
            found[folder] = None
            texts = [file.read_text() for file in folder.glob("*.tf")]
            waiting += [(folder / each).resolve() for text in texts for each in _CALLED.findall(text)]
    return list(found)


_CALLED = re.compile(r'^\s*source\s*=\s*"(\.[^"]*)"', re.MULTILINE)


def delta(change: Mapping[str, Any], stacks: Sequence[str]) -> Delta | None:
    """Return one entry of a plan's ``resource_changes`` as a `Delta`; nothing where nothing happens."""
    body = change["change"]
    actions, moved = tuple(body["actions"]), change.get("previous_address", "")
    action = ACTIONS.get(actions, "")
    if change["mode"] != "managed" or not (action or moved):
        return None
    module, _, address = change["address"].removeprefix("module.").partition(".")
    by_module = {module_of(name): name for name in stacks}
    name = by_module.get(module)
    if name is None:
        return None
    sensitive = _either(body.get("before_sensitive"), body.get("after_sensitive"))
    return Delta(
        name,
        address,
        change["type"],
        action or "move",
        body["before"],
        body["after"],
        body.get("after_unknown") or {},
        sensitive,
        tuple(tuple(path) for path in body.get("replace_paths", [])),
        moved.removeprefix(f"module.{module}."),
    )


ACTIONS = {**PLANNED, ("forget",): "forget", ("create", "forget"): "replace"}
"""What a plan says is done to a resource, in the words of a review; a ``removed`` block forgets."""


def _either(one: Any, other: Any) -> dict[str, Any]:
    """Return what is marked in one of two marks; a whole value marked wins over its parts."""
    first, second = (each if isinstance(each, dict) else {} for each in (one, other))
    return {
        key: first.get(key) is True or second.get(key) is True or second.get(key, first.get(key))
        for key in first.keys() | second.keys()
    }


# ------------------------------------------------------------------------------------- nobody is asked


@contextmanager
def offline_aws() -> Iterator[str]:
    """Serve what stands for AWS during an offline plan, on loopback: it draws passwords and refuses all else.

    A plan for an existing secret draws the password that an apply would write, although it is written only when its
    version changes (ADR 0007).

    Yields
    ------
    str
        The endpoint's URL.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Nobody)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Nobody(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Answer a call."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        target = self.headers.get("x-amz-target") or ""
        if target == "secretsmanager.GetRandomPassword":
            self._answer(200, {"RandomPassword": "never-written-" * 4})
        else:
            self._answer(403, {"__type": "AccessDeniedException", "message": "an offline plan asks nobody"})

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST

    def _answer(self, status: int, document: Mapping[str, str]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def read_plan(path: Path) -> dict[str, Any]:
    """Read a plan in Terraform's JSON form from a file.

    Raises
    ------
    OrreryError
        The file is missing or cut short, is no plan, or comes from a Terraform whose format is another.
    """
    try:
        plan = json.loads(path.read_text())
    except OSError as error:
        raise OrreryError(
            f"cannot read {path}: {error.strerror}", next_step="name a file: terraform show -json PLAN > FILE"
        ) from error
    except ValueError as error:
        raise OrreryError(
            f"{path} is no whole JSON document: {error}", next_step="write it again: terraform show -json PLAN > FILE"
        ) from error
    version = plan.get("format_version") if isinstance(plan, dict) else None
    if not isinstance(version, str) or "resource_changes" not in plan:
        raise OrreryError(
            f"{path} is no plan of Terraform's", next_step="write it with: terraform show -json PLAN > FILE"
        )
    if version.partition(".")[0] != "1":
        raise OrreryError(
            f"{path} has the plan format {version}, and the review reads 1.x",
            next_step="use the Terraform that Orrery uses: ./orrery terraform show -json PLAN",
        )
    found: dict[str, Any] = plan
    return found
