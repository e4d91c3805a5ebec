"""The life of a stack on a target: plan, deploy, run, destroy."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra import ledger, runbook, settings, targets, topics
from infra import stack as stacks
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.live import Check, Live
from infra.local import spark
from infra.output import Ui
from infra.paths import STATE
from infra.stack import Stack
from infra.targets import Target
from infra.terraform import Plan, State, Terraform

if TYPE_CHECKING:
    from infra.dashboard import Dashboard
    from infra.local import Cloud
    from infra.local.service import Endpoint

KAFKAS = "kafka.json"  # beside a stack's state
SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "±"}


@dataclass
class Session:
    """A stack, built for a target, with Terraform ready in its folder and the stack's lock held."""

    stack: Stack
    target: Target
    terraform: Terraform
    cloud: Cloud | None
    ui: Ui

    def live(self) -> Live:
        """Return the deployed stack.

        Raises
        ------
        OrreryError
            It isn't deployed.
        """
        return self.live_from(self.terraform.state())

    def live_from(self, state: State) -> Live:
        """Return the deployed stack whose state is known already; see `live`."""
        if not state.resources:
            name = self.stack.info.id
            raise OrreryError(f"{name} is not deployed on {self.target.name}", next_step=f"make deploy STACK={name}")
        return Live(self.target, state.outputs, self.ui)


def cloud() -> Cloud:
    """Return the local cloud of this checkout."""
    from infra.local import Cloud  # lazy: only the local target needs it

    return Cloud(STATE)


@contextmanager
def session(info: StackInfo, target_name: str, ui: Ui) -> Iterator[Session]:
    """Open a stack for work: take its lock, start what it needs, build it, and initialise Terraform.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    target_name : str
        local, aws or offline.
    ui : Ui
        Where to show progress.

    Raises
    ------
    OrreryError
        Another run works on the stack, a service doesn't start, the stack is broken, or is deployed with another choice
        of what can't be changed.
    """
    folder = STATE / "stacks" / info.slug / target_name
    with lock(folder, info.id):
        local = cloud() if target_name == "local" else None
        target = _target(target_name, info, local, ui)
        if target_name == "offline" and (planned := settings.for_plans(info)) is not info:
            left = settings.shown(settings.differing(planned, info))
            ui.note(f"as its stack.toml says for plans without an account: {left} (another choice: --set)")
            info = planned
        at = _opened(info, target, folder, local, ui)
        if target_name != "offline" and settings.choices(info):
            state = at.terraform.state()
            if state.outputs:  # else nothing says with which choice a first deployment ended half way
                settings.keep_fixed(info, state.outputs)
            remembered, kept = settings.remember(info, state.outputs)
            if kept:
                ui.note(f"as it was deployed: {settings.shown(kept)} (another choice: --set)")
                at = _opened(remembered, target, folder, local, ui)
        if local:
            _start(local, [each for each in at.stack.info.needed_services if each not in info.services], ui)
        yield at


def _opened(info: StackInfo, target: Target, folder: Path, local: Cloud | None, ui: Ui) -> Session:
    """Build a stack, write its configuration and initialise Terraform."""
    with ui.step(f"building {info.id}"):
        stack, configuration = stacks.create(info, target, folder)
    if local:  # a choice may need another server than those of all: its stand-in is told where it is
        _start(local, sorted(set(stack.stand_ins.values()) - set(info.services)), ui)
    terraform = Terraform(
        folder,
        {**target.environment, **(_stand_in_variables(stack, local) if local else {})},
        ui,
        inherit_aws=target.name == "aws",
        # Against the emulator an apply mostly waits, up to a minute a resource; AWS would throttle so many calls.
        parallelism=30 if local else 10,
    )
    try:
        terraform.write(configuration)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    terraform.init()
    if terraform.recover():
        ui.note("an earlier run could not save its state; it is back in its place")
    return Session(stack, target, terraform, local, ui)


def deploy(
    info: StackInfo,
    target_name: str,
    ui: Ui,
    *,
    yes: bool,
    allowed: Sequence[str] = (),
    saved: Path | None = None,
) -> None:
    """Deploy a stack: plan, show, ask where data would be lost, apply, prove that it works, say what to try.

    Parameters
    ----------
    info : StackInfo
        Which stack.
    target_name : str
        local or aws.
    ui : Ui
        Where to print.
    yes : bool
        Don't ask; on AWS it is not enough for a loss of data.
    allowed : sequence of str
        The addresses whose data may be lost; on AWS each one has to be named.
    saved : Path, optional
        Apply this plan, which was saved and reviewed before, instead of a new one.

    Raises
    ------
    OrreryError
        Something failed, a smoke check among it, the user said no, or data would be lost that nobody named.
    """
    if target_name == "local" and spark.ENVIRONMENT in info.environments:
        spark.python(ui.note)  # before anything is made: it may lack its Java
    with session(info, target_name, ui) as at:
        plan = at.terraform.take(saved) if saved else at.terraform.plan()
        show_plan(plan, info, target_name, ui)
        if at.target.local:
            _confirm(plan, yes, at.target)
        else:
            _check_allowed(plan, allowed)
        _note_kafka(at)
        if plan.changes or plan.outputs:
            at.terraform.apply(plan)
        state = at.terraform.state()
        if saved and settings.choices(info):  # it may have been planned with other settings than this command's
            at.stack, _ = stacks.create(settings.remember(info, state.outputs)[0], at.target, at.terraform.folder)
        live = at.live_from(state)
        if at.cloud and "topics" in live.outputs:
            topics.apply(live)
        _install_crontab(at, live)
        runbook.keep(at.terraform.folder, {k: v for k, v in state.outputs.items() if k not in state.secret})
        _smoke(at.stack, live, ui)
        ui.say()
        ui.say(_ledger_line(at, state))
        for name, value in sorted(live.outputs.items()):
            shown = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            ui.say(f"  {name} = {shown}")
        ui.say("Next:")
        for line in at.stack.next_steps():
            ui.say(f"  {line}")


def run(info: StackInfo, target_name: str, ui: Ui, data: Path | None) -> None:
    """Send data through a deployed stack; see `Stack.run`.

    Raises
    ------
    OrreryError
        It isn't deployed, or there is no such file.
    """
    takes_folders = data is not None and data.is_dir() and stacks.load_class(info).takes_folders
    if data is not None and not data.is_file() and not takes_folders:
        raise OrreryError(f"there is no file {data}", next_step="name a file: make run STACK=… DATA=path/to/file.csv")
    with session(info, target_name, ui) as at, _stack_code(info):
        at.stack.run(at.live(), data)


def check(info: StackInfo, target_name: str, ui: Ui, exercise: int) -> None:
    """Check an exercise of a deployed stack; see `Stack.check`.

    Raises
    ------
    OrreryError
        It isn't deployed, there is no such exercise, or it isn't solved.
    """
    with session(info, target_name, ui) as at, _stack_code(info):
        failed = _report(at.stack.check(at.live(), exercise), ui)
        if failed:
            raise OrreryError(
                f"exercise {exercise} of {info.id} is not solved yet: {', '.join(failed)}",
                next_step="the lines above say what was seen; the README says what is asked",
            )
        ui.say(f"Exercise {exercise} of {info.id} is solved.")


def document(info: StackInfo, target_name: str, ui: Ui) -> Path:
    """Write a deployed stack's documentation site and say where it is; see `Stack.document`.

    Raises
    ------
    OrreryError
        It isn't deployed, or has none.
    """
    file = STATE / "docs" / f"{info.slug}.html"
    file.parent.mkdir(parents=True, exist_ok=True)
    with session(info, target_name, ui) as at, _stack_code(info):
        at.stack.document(at.live(), file)
    ui.say(f"written: {file}")
    return file


def dashboard(info: StackInfo, target_name: str, ui: Ui) -> Dashboard:
    """Return what a deployed stack shows of itself; see `Stack.dashboard`.

    Raises
    ------
    OrreryError
        It isn't deployed.
    """
    with session(info, target_name, ui) as at, _stack_code(info):
        live = at.live()
        with ui.step("reading the data"):
            return at.stack.dashboard(live)


def destroy(info: StackInfo, target_name: str, ui: Ui, *, yes: bool) -> None:
    """Remove a stack and check that nothing of it is left in the local cloud.

    Raises
    ------
    OrreryError
        Something could not be removed, or is left.
    """
    with session(info, target_name, ui) as at:
        plan = at.terraform.plan(destroy=True)
        show_plan(plan, info, target_name, ui)
        _confirm(plan, yes or at.target.disposable, at.target)
        if at.cloud:
            at.cloud.remove_crontab(info.slug)
            _clear(at)
        if plan.changes or plan.outputs:
            at.terraform.apply(plan)
        runbook.forget(at.terraform.folder)
        if at.cloud:
            _drop_stand_ins(at, at.cloud)
            shutil.rmtree(spark.folder(info.slug), ignore_errors=True)
            left = at.cloud.leftovers(info.slug, list(at.stack.regions))
            if left:
                raise OrreryError(
                    f"{len(left)} resources of {info.id} are left in the local cloud: {', '.join(left[:5])}",
                    next_step="they are not in the state; `make reset` throws the whole local cloud away",
                    details="\n".join(left),
                )
            ui.say(f"{info.id} is gone; nothing of it is left in the local cloud.")
        else:
            ui.say(f"{info.id} is gone.")


def reset(ui: Ui, *, yes: bool) -> None:
    """Stop the local cloud and delete its data and the states of all stacks on it.

    The way out when the two no longer fit together, such as after resources were made whose state was lost.

    Raises
    ------
    OrreryError
        Somebody works on a stack, or the user said no.
    """
    states = sorted((STATE / "stacks").glob("*/local"))
    if not yes:
        ask(f"This deletes the local cloud's data and the local state of {len(states)} stacks.")
    with ExitStack() as held:
        for folder in states:
            held.enter_context(lock(folder, folder.parent.name))
        cloud().erase()
        for folder in states:
            shutil.rmtree(folder)
    ui.say("the local cloud is empty; `make deploy STACK=…` starts it anew")


def show_plan(plan: Plan, info: StackInfo, target_name: str, ui: Ui) -> None:
    """Print a short summary of a plan: counts, and each change that isn't a creation."""
    if not plan.changes:
        nothing = "no resource changes, only outputs" if plan.outputs else "no change, everything is as it should be"
        ui.say(f"{info.id} on {target_name}: {nothing}.")
        return
    counts = plan.counts
    parts = [f"{counts[a]} to {a}" for a in ("create", "update", "replace", "delete") if counts[a]]
    ui.say(f"{info.id} on {target_name}: {', '.join(parts)}.")
    if ui.verbose or counts["create"] != len(plan.changes):
        shown = [c for c in plan.changes if ui.verbose or c.action != "create"]
        for change in shown[: None if ui.verbose else 40]:
            data = "  (holds data)" if change.loses_data else ""
            ui.say(f"  {SIGNS[change.action]} {change.address}{data}")
        if len(shown) > 40 and not ui.verbose:
            ui.say(f"  … and {len(shown) - 40} more; --verbose shows all")


def _confirm(plan: Plan, yes: bool, target: Target) -> None:
    """Ask before anything that holds data is destroyed or replaced."""
    # Terraform taints what an interrupted run left half made. On a target that is for throwing away that is no data.
    losing = [c for c in plan.changes if c.loses_data and not (target.disposable and c.reason == "tainted")]
    if not losing or yes:
        return
    names = ", ".join(change.address for change in losing[:3]) + (" …" if len(losing) > 3 else "")
    if not sys.stdin.isatty():
        raise OrreryError(
            f"the plan destroys or replaces data, in {counted(len(losing), 'resource')}: {names}",
            next_step="read the plan above; if that is what you want: YES=1 (or --yes)",
        )
    ask(f"This destroys or replaces data, in {counted(len(losing), 'resource')}.")


def _check_allowed(plan: Plan, allowed: Sequence[str]) -> None:
    """Refuse a plan that loses data which nobody named: a habit of saying yes must not be able to delete a table."""
    losing = [change.address for change in plan.changes if change.loses_data]
    unnamed = [address for address in losing if address not in allowed]
    if unnamed:
        options = " ".join(f"--allow-data-loss {shlex.quote(address)}" for address in unnamed[:3])
        more = f" and {len(unnamed) - 3} more" if len(unnamed) > 3 else ""
        raise OrreryError(
            f"the plan destroys or replaces data, in {counted(len(unnamed), 'resource')}: "
            f"{', '.join(unnamed[:3])}{more}",
            next_step=f"if each of them may go, name it: {options}",
            details="\n".join(unnamed),
        )
    unknown = [address for address in allowed if address not in losing]
    if unknown:
        raise OrreryError(
            f"the plan loses no data at {unknown[0]}",
            next_step="leave out --allow-data-loss for it; nothing was changed",
        )


def ask(what: str) -> None:
    """Go on only when the user types yes; without a terminal there is nobody to ask."""
    if not sys.stdin.isatty():
        raise OrreryError(what, next_step="if that is what you want: YES=1 (or --yes)")
    print(what, file=sys.stderr)
    if input("Type 'yes' to go on: ").strip() != "yes":
        raise OrreryError("stopped; nothing was changed", next_step="type yes, or YES=1, to go on")


def _smoke(stack: Stack, live: Live, ui: Ui) -> None:
    """Run the stack's own checks, print each, and fail when one fails."""
    with ui.step("checking that it works"), _stack_code(stack.info):
        failed = _report(stack.smoke(live), ui)
    if failed:
        raise OrreryError(
            f"deployed, but {len(failed)} smoke checks failed: {', '.join(failed)}",
            next_step="make logs SERVICE=aws shows what the functions said; the deployment stays as it is",
        )


def _report(checks: Iterable[Check], ui: Ui) -> list[str]:
    """Print each check as it is done, and return the names of those that failed."""
    failed: list[str] = []
    for each in checks:
        ui.say(f"  {'ok' if each.ok else 'FAILED'}  {each.name}{': ' + each.seen if each.seen else ''}")
        if not each.ok:
            failed.append(each.name)
    return failed


def _install_crontab(at: Session, live: Live) -> None:
    """Let the local cloud run the stack's crontab, if it has one; on AWS schedules of its own do that."""
    if at.cloud:
        with _stack_code(at.stack.info):
            crontab = at.stack.crontab(live)
        if crontab:
            at.cloud.install_crontab(at.stack.info.slug, crontab.file, crontab.settings)


def _clear(at: Session) -> None:
    """Let a stack remove what it keeps in the local cloud beside its resources, if it is deployed.

    One that is half made, or half destroyed, may lack what that takes: its resources are removed all the same.
    """
    if type(at.stack).clear is Stack.clear:
        return
    state = at.terraform.state()
    if state.resources and state.outputs:
        try:
            with _stack_code(at.stack.info):
                at.stack.clear(at.live_from(state))
        except OrreryError as error:
            at.ui.note(f"what {at.stack.info.id} keeps beside its resources may be left: {error.what}")


@contextmanager
def _stack_code(info: StackInfo) -> Iterator[None]:
    """Report whatever a stack's own smoke check or run raises as one line that names the stack's line."""
    try:
        yield
    except OrreryError:
        raise
    except Exception as error:  # a stack is a user's code; see infra.stack.load_class
        raise stacks.broken(info, error) from error


def _ledger_line(at: Session, state: State) -> str:
    """Say how much of the stack really works on this target, and what only stands for it."""
    resources = state.resources
    if not at.target.local:
        return f"{len(resources)} resources in AWS account {at.target.account_id}."
    executed_types = ledger.executed()
    stand_in = tuple(f"module.{name}." for name in at.stack.stand_ins)
    own = [each for each in resources if not (stand_in and each[0].startswith(stand_in))]
    executed = sum(kind in executed_types for _, kind in own)
    services, skipped = ", ".join(sorted(set(at.stack.stand_ins.values()))), ", ".join(at.stack.skipped)
    parts = [
        f"{counted(executed, 'resource')} executed",
        f"{len(own) - executed} accepted (control plane only)",
        f"{counted(len(at.stack.stand_ins), 'module')} stood in for{f' ({services})' if services else ''}",
        f"{len(at.stack.skipped)} cloud-only{f' ({skipped})' if skipped else ''}",
    ]
    return "Local cloud: " + ", ".join(parts) + "."


def counted(count: int, what: str) -> str:
    """Return a number of things in words, such as "1 change"."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _target(name: str, info: StackInfo, local: Cloud | None, ui: Ui) -> Target:
    if name == "offline":
        return targets.offline()
    if local is None:
        return targets.aws()
    endpoints = _start(local, info.services, ui)
    return targets.local(local.aws_environment(), endpoints["aws"].region_urls)


def _start(local: Cloud, services: Sequence[str], ui: Ui) -> dict[str, Endpoint]:
    """Start services of the local cloud; which ones a setting needs is known only with what a deployment remembers."""
    if not services:
        return {}
    with ui.step("starting the local cloud") as show:
        return local.up(list(services), on_progress=show)


def _database(info: StackInfo, instance: str) -> str:
    return f"{info.slug}_{instance}".replace("-", "_")


def _stand_in_variables(stack: Stack, local: Cloud) -> dict[str, str]:
    """Tell Terraform about the local service of each stand-in; database servers have a database of its own for each."""
    variables: dict[str, str] = {}
    for instance, service in stack.stand_ins.items():
        if service == "kafka":
            there = {"bootstrap_servers": local.endpoint("kafka").url, "brokers": local.kafka_brokers()}
            variables[f"TF_VAR_{instance}_standin"] = json.dumps(there)
            continue
        if service == "debezium":
            worker = {"url": local.endpoint("debezium").url, "secrets": str(local.debezium.secrets)}
            variables[f"TF_VAR_{instance}_standin"] = json.dumps(worker)
            continue
        provision = local.provision_mysql if service == "mysql" else local.provision_database
        database = provision(_database(stack.info, instance))
        facts: Mapping[str, Any] = {
            "host": database.host,
            "port": database.port,
            "database": database.database,
            "username": database.user,
            # Terraform can't see that a password is another one, as where a setting chooses another server. 32 bits of
            # a hash tell nothing of 24 random bytes.
            "secret_version": int(hashlib.sha256(database.password.encode()).hexdigest()[:8], 16),
        }
        variables[f"TF_VAR_{instance}_standin"] = json.dumps(facts)
        variables[f"TF_VAR_{instance}_standin_password"] = database.password
    return variables


def _kafka(local: Cloud) -> str:
    """Return the Kafka cluster that the user named, nothing for the local broker."""
    there = local.elsewhere("kafka")
    return there.url if there else ""


def _note_kafka(at: Session) -> None:
    """Remember where a stack is about to have topics: what it has there, and nowhere else, may be deleted."""
    if at.cloud and "kafka" in at.stack.stand_ins.values():
        known, where = _noted_kafkas(at), _kafka(at.cloud)
        if where not in known:
            _keep_kafkas(at, [*known, where])


def _noted_kafkas(at: Session) -> list[str]:
    file = at.terraform.folder / KAFKAS
    return list(json.loads(file.read_text())) if file.exists() else []


def _keep_kafkas(at: Session, known: Sequence[str]) -> None:
    fresh = at.terraform.folder / f"{KAFKAS}.new"
    fresh.write_text(json.dumps(known))
    fresh.replace(at.terraform.folder / KAFKAS)


def _drop_stand_ins(at: Session, local: Cloud) -> None:
    """Remove what the stack has in the services that stand in for its modules."""
    if "debezium" in at.stack.stand_ins.values():  # before the databases that its connectors read
        local.drop_connectors(at.stack.physical(""))
    for instance, service in at.stack.stand_ins.items():
        if service == "postgres":
            local.drop_database(_database(at.stack.info, instance))
        elif service == "mysql":
            local.drop_mysql(_database(at.stack.info, instance))
    if "kafka" in at.stack.stand_ins.values():
        _drop_topics(at, local)


def _drop_topics(at: Session, local: Cloud) -> None:
    """Delete the stack's topics where it was deployed; a named cluster that it was not deployed to is somebody's."""
    prefix, where, known = at.stack.physical(""), _kafka(local), _noted_kafkas(at)
    left = [each for each in known if each != where]
    if not where or where in known:
        local.drop_topics(prefix)
    else:
        at.ui.note(f"topics and groups {prefix}* stay in Kafka at {where}: {at.stack.info.id} was not deployed there")
    for each in left:
        place, how = (f"Kafka at {each}", f"with KAFKA_BOOTSTRAP={each}") if each else ("the local Kafka", "without it")
        at.ui.note(f"topics and groups {prefix}* stay in {place}: the same command {how} deletes them")
    _keep_kafkas(at, left)


@contextmanager
def lock(folder: Path, what: str) -> Iterator[None]:
    """Hold a folder, such as a stack's on a target; the kernel lets go of it when the holder dies, however it dies.

    Raises
    ------
    OrreryError
        Another run holds it (exit code 75), or the folder can't be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / "lock", "a+")  # noqa: SIM115  # closed below, after the lock is let go
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            holder = handle.read().strip() or "unknown"
            raise OrreryError(
                f"another run works on {what} right now (process {holder})",
                next_step="wait until it is done, then run the command again",
                code=75,  # EX_TEMPFAIL of sysexits.h: try again later
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
    except OSError as error:
        if error.errno not in (28, 30):  # ENOSPC, EROFS
            raise
        raise _cannot_write(folder, error) from error
    finally:
        handle.close()


def _cannot_write(folder: Path, error: OSError) -> OrreryError:
    return OrreryError(
        f"cannot write to {folder}: {error.strerror}",
        next_step="free some disk space or make the folder writable, then run the command again; nothing was changed",
    )
