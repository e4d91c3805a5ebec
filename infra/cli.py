"""The command line: one thin command per thing a user does. Everything heavy is imported where it is used."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.errors import OrreryError
from infra.output import Ui

if TYPE_CHECKING:
    from infra.catalog import StackInfo
    from infra.local.fault_client import FaultClient

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help starts twice as fast
    pretty_exceptions_enable=False,
    help="Forty data platforms, each a stack that one command deploys to a local cloud or to AWS.",
)

StackArgument = Annotated[str, typer.Argument(help="14_blackhole, 14, blackhole, signals/00_aurora …")]
TargetOption = Annotated[str, typer.Option(envvar="TARGET", help="local or aws")]
VerboseOption = Annotated[bool, typer.Option("--verbose", "-v", envvar="VERBOSE", help="Show commands and details.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
SettingOption = Annotated[
    list[str] | None,
    typer.Option("--set", envvar="SET", help="name=value, one of [settings] in stack.toml; once for each."),
]
YesOption = Annotated[bool, typer.Option("--yes", envvar="YES", help="Don't ask before data is destroyed.")]


def _print_json(data: Any) -> None:
    import json

    print(json.dumps(data, indent=2, sort_keys=True, default=str))


def _built(stack: str, chosen: list[str] | None) -> StackInfo:
    """Return the stack that a user means, with the settings that are chosen."""
    from infra import catalog, settings

    return settings.choose(catalog.built(stack), chosen or [])


@app.command("list")
def list_stacks(json: JsonOption = False) -> None:
    """Show all forty stacks: what is built and what is to come."""
    from dataclasses import asdict

    from infra import catalog

    stacks = catalog.load().values()
    if json:
        _print_json([asdict(info) for info in stacks])
        return
    rows = [[info.id, "built" if info.built else "to come", info.domain, info.level, info.summary] for info in stacks]
    Ui().table(["stack", "", "domain", "level", "what it does"], rows)


@app.command()
def module(
    name: Annotated[str, typer.Argument(help="A folder below modules/; none lists them.")] = "",
    json: JsonOption = False,
) -> None:
    """Show a module's interface: variables, outputs, and what the local cloud does with it."""
    from infra import modules

    ui = Ui()
    if not name:
        found = [modules.load(each) for each in modules.names()]
        ui.table(["module", "local", "what it is"], [[each.name, each.local, each.summary] for each in found])
        return
    interface = modules.load(name)
    if json:
        _print_json(modules.as_dict(interface))
        return
    ui.say(f"{interface.name}: {interface.summary} (local: {interface.local})")
    rows = [[v.name, v.type, modules.show_default(v), v.description] for v in interface.variables.values()]
    ui.table(["variable", "type", "default", "description"], rows)
    ui.say()
    ui.table(["output", "description"], [[o.name, o.description] for o in interface.outputs.values()])


@app.command()
def synth(
    stack: StackArgument,
    target: Annotated[str, typer.Option(help="offline or local")] = "offline",
    chosen: SettingOption = None,
) -> None:
    """Print the Terraform configuration of a stack."""
    from infra import deploy, targets
    from infra import stack as stacks
    from infra.paths import STATE

    info = _built(stack, chosen)
    if target == "local":
        with deploy.session(info, "local", Ui()) as at:
            print((at.terraform.folder / "main.tf.json").read_text(), end="")
        return
    _print_json(stacks.create(info, targets.offline(), STATE / "stacks" / info.slug / "offline")[1])


@app.command()
def graph(
    stack: StackArgument,
    output: Annotated[str, typer.Option(help="A file; - prints it. The stack's own picture unless given.")] = "",
) -> None:
    """Draw the architecture of a stack as SVG, from what Terraform gets."""
    from infra import catalog
    from infra import graph as pictures

    info = catalog.built(stack)
    if output == "-":
        print(pictures.draw(info), end="")
        return
    file = Path(output).expanduser().resolve() if output else info.path / pictures.FILE
    pictures.write(info, file)
    Ui().say(f"written: {file}")


@app.command()
def plan(
    stack: Annotated[str, typer.Argument(help="A stack; with --all none.")] = "",
    every: Annotated[bool, typer.Option("--all", envvar="ALL", help="All built stacks in one run.")] = False,
    target: Annotated[
        str, typer.Option(envvar="TARGET", help="offline (AWS without an account), local, aws")
    ] = "offline",
    chosen: SettingOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Show what a deployment would change; for AWS without an account unless TARGET says otherwise."""
    from infra import plan as plans
    from infra import targets

    ui = Ui(verbose)
    if every and chosen:
        raise OrreryError("settings are chosen for one stack", next_step="name it, or leave out --set")
    if every:
        plans.plan_all(ui)
        return
    name = target if target == "offline" else targets.check_name(target)
    plans.plan_stack(_built(stack, chosen), name, ui)


@app.command()
def review(
    stacks: Annotated[
        list[str] | None, typer.Argument(help="Stacks; none means those that differ from the base.")
    ] = None,
    base: Annotated[str, typer.Option(envvar="BASE", help="The branch or commit to compare with.")] = "",
    every: Annotated[bool, typer.Option("--all", envvar="ALL", help="All built stacks.")] = False,
    target: Annotated[
        str, typer.Option(envvar="TARGET", help="offline (against the base), or the state on local or aws")
    ] = "offline",
    plan_file: Annotated[str, typer.Option("--plan", help="Review this plan instead (terraform show -json).")] = "",
    out: Annotated[str, typer.Option(help="The folder for review.md, review.json and review.svg.")] = "",
    chosen: SettingOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Say what a change does to a running system: against the base branch without an account, or a real state."""
    from infra import targets
    from infra.review import command

    if chosen and (every or plan_file or len(stacks or []) != 1):
        raise OrreryError("settings are chosen for one stack", next_step="name it, or leave out --set")
    ui, infos = Ui(verbose), [_built(each, chosen) for each in stacks or []]
    folder = Path(out).resolve() if out else command.OUT
    if plan_file:
        written = command.review_file(Path(plan_file), out=folder)
    elif target == "offline":
        written = command.review(infos, ui, base=base, every=every, out=folder)
    elif len(infos) == 1:
        written = command.review_live(infos[0], targets.check_name(target), ui, out=folder)
    else:
        raise OrreryError(
            f"a review on {target} is of one stack", next_step=f"name it: ./orrery review STACK --target {target}"
        )
    ui.say(written.files["markdown"].read_text())
    ui.note(f"also as {written.files['json']} and {written.files['svg']}")
    if written.review.failed:
        raise OrreryError(
            f"{len(written.review.failed)} of the stacks could not be planned: {', '.join(written.review.failed)}",
            next_step="mend them; the review above is of the others",
        )


@app.command()
def deploy(
    stack: StackArgument,
    target: TargetOption = "local",
    yes: YesOption = False,
    allow_data_loss: Annotated[
        list[str] | None, typer.Option(help="On AWS: an address whose data may be lost; once for each.")
    ] = None,
    plan_file: Annotated[str, typer.Option("--plan", help="Apply this plan, kept by review --target.")] = "",
    chosen: SettingOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Deploy a stack, prove that it works, and say what to try next."""
    from infra import deploy as life
    from infra import targets

    if plan_file and chosen:
        raise OrreryError("a saved plan has its settings already", next_step="leave out --set, or review anew with it")
    name, allowed = targets.check_name(target), allow_data_loss or []
    saved = Path(plan_file).resolve() if plan_file else None
    life.deploy(_built(stack, chosen), name, Ui(verbose), yes=yes, allowed=allowed, saved=saved)


@app.command()
def drift(
    stack: StackArgument,
    target: TargetOption = "local",
    adopt: Annotated[bool, typer.Option("--adopt", help="Write into the state what was found.")] = False,
    json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Show what was changed behind Terraform's back. Exit code: 0 nothing, or adopted; 3 drift; 1 a failure."""
    from infra import catalog, targets
    from infra import drift as drifts

    report = drifts.drift(catalog.built(stack), targets.check_name(target), Ui(verbose), adopt=adopt, as_json=json)
    if report.resources and not adopt:
        raise typer.Exit(drifts.FOUND)


@app.command("data")
def download(
    stack: StackArgument,
    again: Annotated[bool, typer.Option("--again", help="Also what is there already.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Download a stack's public data from its publisher; goes on where it stopped."""
    from infra import catalog
    from infra import download as downloads

    downloads.data(catalog.built(stack), Ui(verbose), again=again)


@app.command()
def run(
    stack: StackArgument,
    data: Annotated[str, typer.Option(envvar="DATA", help="Your own file, or folder where the stack takes one.")] = "",
    target: TargetOption = "local",
    verbose: VerboseOption = False,
) -> None:
    """Send data through a deployed stack and print what happened."""
    from infra import catalog, targets
    from infra import deploy as life

    path = Path(data).expanduser().resolve() if data else None
    life.run(catalog.built(stack), targets.check_name(target), Ui(verbose), path)


@app.command()
def dashboard(
    stack: StackArgument,
    output: Annotated[str, typer.Option(help="A file; else one below .orrery/dashboards.")] = "",
    target: TargetOption = "local",
    verbose: VerboseOption = False,
) -> None:
    """Write a deployed stack's dashboard: one HTML page with charts of its data."""
    from infra import catalog, targets
    from infra import dashboard as dashboards

    file = Path(output).expanduser().resolve() if output else None
    ui = Ui(verbose)
    written = dashboards.dashboard(catalog.built(stack), targets.check_name(target), ui, file)
    ui.say(f"written: {written}")


@app.command()
def check(
    stack: StackArgument,
    exercise: Annotated[int, typer.Argument(envvar="EXERCISE", help="Its number in the stack's README.", min=1)],
    target: TargetOption = "local",
    verbose: VerboseOption = False,
) -> None:
    """Say whether an exercise of a deployed stack is solved, and why not."""
    from infra import catalog, targets
    from infra import deploy as life

    life.check(catalog.built(stack), targets.check_name(target), Ui(verbose), exercise)


@app.command()
def drill(
    stack: StackArgument,
    experiment: Annotated[
        str, typer.Argument(envvar="EXPERIMENT", help="One of its experiments; else the first.")
    ] = "",
    seed: Annotated[int, typer.Option(envvar="SEED", help="The same seed does the same.", min=0)] = 1,
    hurry: Annotated[float, typer.Option(help="Divide all times of the drill.", min=1, max=20)] = 1.0,
    rates: Annotated[
        str, typer.Option(help="Writes a second by path, such as data=50,api=3; measured by default.")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", envvar="ALL", help="All experiments, each with many seeds, shuffled.")
    ] = False,
    seeds: Annotated[int, typer.Option(envvar="SEEDS", help="How many, with --all.", min=1)] = 10,
    out: Annotated[str, typer.Option(help="Where reports go.")] = "drills",
    mend: Annotated[
        bool, typer.Option("--mend", envvar="MEND", help="On AWS: undo what a drill that was killed left.")
    ] = False,
    target: TargetOption = "local",
    yes: Annotated[bool, typer.Option("--yes", envvar="YES", help="On AWS: don't ask before it starts.")] = False,
    verbose: VerboseOption = False,
) -> None:
    """Break a deployed stack while clients use it, and measure what they noticed."""
    from infra import catalog, targets
    from infra.drill import account, command

    found, wanted, name = catalog.built(stack), command.rates_from(rates), targets.check_name(target)
    if mend:
        account.mend(found, name, Ui(verbose))
        return
    if every and (experiment or name != "local"):
        raise OrreryError(
            "--all runs every experiment, on the local cloud", next_step="leave out --all, or what contradicts it"
        )
    if every:
        command.drill_all(found, Ui(verbose), seeds=seeds, hurry=hurry, rates=wanted, order=seed, out=Path(out))
        return
    command.drill(
        found,
        Ui(verbose),
        experiment=experiment,
        seed=seed,
        hurry=hurry,
        rates=wanted,
        out=Path(out),
        target=name,
        yes=yes,
    )


@app.command()
def failover(
    stack: StackArgument,
    region: Annotated[str, typer.Argument(envvar="REGION", help="The region that is lost, or that comes back.")],
    back: Annotated[bool, typer.Option("--back", envvar="BACK", help="The way back, once it is well.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", envvar="DRY_RUN", help="Look, and say what would be done.")
    ] = False,
    outputs: Annotated[str, typer.Option(help="A copy of the stack's outputs; else those that deploy kept here.")] = "",
    target: TargetOption = "local",
    verbose: VerboseOption = False,
) -> None:
    """Give a lost region up, step by step, or take it back; the stack says how."""
    from infra import catalog, runbook, targets

    copy = Path(outputs).expanduser().resolve() if outputs else None
    name = targets.check_name(target)
    runbook.failover(catalog.built(stack), region, name, Ui(verbose), back=back, dry=dry_run, outputs=copy)


@app.command()
def destroy(
    stack: StackArgument,
    target: TargetOption = "local",
    yes: YesOption = False,
    chosen: SettingOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Remove a stack and everything that it holds."""
    from infra import deploy as life
    from infra import targets

    life.destroy(_built(stack, chosen), targets.check_name(target), Ui(verbose), yes=yes)


@app.command()
def up(
    services: Annotated[
        list[str] | None,
        typer.Argument(help="aws, postgres, cron, snowflake, bigquery, kafka; none means the first three."),
    ] = None,
) -> None:
    """Start services of the local cloud."""
    from infra import deploy as life

    ui = Ui()
    with ui.step("starting the local cloud") as show:
        cloud = life.cloud()
        names = services or cloud.usual()
        for name, endpoint in cloud.up(names, on_progress=show).items():
            ui.say(f"{name}: {endpoint.url}")


@app.command()
def down(
    services: Annotated[
        list[str] | None, typer.Argument(help="aws, postgres, cron, snowflake, bigquery, kafka; none means all.")
    ] = None,
) -> None:
    """Stop services of the local cloud; their data stays."""
    from infra import deploy as life

    life.cloud().down(services or None)
    Ui().say("stopped; the data stays, the next deploy or `make up` brings it back")


@app.command()
def reset(yes: YesOption = False) -> None:
    """Throw the local cloud away: its data, and the states of all stacks on it. AWS is not touched."""
    from infra import deploy as life

    life.reset(Ui(), yes=yes)


@app.command()
def status(json: JsonOption = False) -> None:
    """Show the services of the local cloud."""
    from dataclasses import asdict

    from infra import deploy as life

    found = life.cloud().status()
    if json:
        _print_json([asdict(each) for each in found])
        return
    rows = []
    for each in found:
        where = each.endpoint.url if each.endpoint else ""
        memory = f"{each.rss_mb:.0f} MB" if each.rss_mb else ""
        since = f"{each.uptime_s:.0f} s" if each.uptime_s else ""
        rows.append([each.name, each.state, each.pid or "", where, since, memory, each.log])
        regions = each.endpoint.region_urls if each.endpoint else {}
        rows += [[f"  {name}", "", "", url, "", "", ""] for name, url in regions.items()]
    Ui().table(["service", "state", "pid", "endpoint", "up", "memory", "log"], rows)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="aws, postgres, cron, snowflake, bigquery or kafka")],
    lines: Annotated[int, typer.Option(help="How many lines from the end.")] = 100,
) -> None:
    """Show the end of a service's log."""
    from collections import deque

    from infra import deploy as life

    path = life.cloud().log_path(service)
    if not path.exists():
        raise OrreryError(f"{service} has no log yet", next_step=f"start it: make up SERVICE={service}")
    with path.open(errors="replace") as log:
        for line in deque(log, maxlen=lines):
            print(line, end="")


@app.command()
def doctor() -> None:
    """Check this machine: what is missing, and what to do about it."""
    from infra import deploy as life

    ui = Ui()
    checks = life.cloud().doctor()
    for check in checks:
        ui.say(f"{'ok    ' if check.ok else 'FAILED'}  {check.name}: {check.message}")
        if not check.ok:
            ui.say(f"        next: {check.next_step}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


@app.command()
def region(
    action: Annotated[str, typer.Argument(help="cut or restore")],
    name: Annotated[str, typer.Argument(help="Such as eu-west-1.")],
) -> None:
    """Cut a region of the local cloud off, or bring it back."""
    from infra import deploy as life

    cloud = life.cloud()
    actions = {"cut": cloud.cut_region, "restore": cloud.restore_region}
    if action not in actions:
        raise OrreryError(f"there is no action {action!r}", next_step="use: ./orrery region cut|restore eu-west-1")
    actions[action](name)
    Ui().say(f"{name}: {'refuses connections' if action == 'cut' else 'answers again'}")


faults_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Set, show and end faults on purpose.")
app.add_typer(faults_app, name="fault")

AtOption = Annotated[str, typer.Option(help="The control address of a proxy of your own; the local AWS by default.")]


@faults_app.command("set")
def set_faults(
    file: Annotated[str, typer.Argument(help="A file of [[fault]] tables; none where --kind says it all.")] = "",
    kind: Annotated[str, typer.Option(help="refuse, hang, delay, throttle, drop, error")] = "",
    region: Annotated[str, typer.Option(help="Such as eu-west-1; all by default.")] = "",
    service: Annotated[str, typer.Option(help="Such as dynamodb; all by default.")] = "",
    operation: Annotated[str, typer.Option(help="Such as GetItem, or 'GET /users/*'; all by default.")] = "",
    share: Annotated[float | None, typer.Option(help="Of the calls, above 0 and at most 1.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed strikes the same calls.")] = None,
    latency_ms: Annotated[str, typer.Option(help="200, low=100,high=300 or median=100,p95=400")] = "",
    bytes_per_s: Annotated[int | None, typer.Option(help="Bandwidth of a throttle.")] = None,
    after_bytes: Annotated[int | None, typer.Option(help="When a drop resets; 0: before the answer.")] = None,
    status: Annotated[int | None, typer.Option(help="Of an error, 503 by default.")] = None,
    code: Annotated[str, typer.Option(help="Of an error, such as SlowDown.")] = "",
    ahead_s: Annotated[int | None, typer.Option(help="Of a skew, in seconds; below 0 is behind.")] = None,
    seconds: Annotated[float | None, typer.Option("--for", help="Seconds; until they are cleared by default.")] = None,
    owner: Annotated[str, typer.Option(help="Whose they are; they replace what the owner had.")] = "cli",
    at: AtOption = "",
) -> None:
    """Set faults in front of the local AWS: from a file, or one by options. See docs/faults.md."""
    from infra.local import fault_client

    places = {"kind": kind, "region": region, "service": service, "operation": operation, "code": code}
    options: dict[str, Any] = {key: value for key, value in places.items() if value}
    numbers = {"share": share, "seed": seed, "bytes_per_s": bytes_per_s, "after_bytes": after_bytes, "status": status}
    numbers["ahead_s"] = ahead_s
    options |= {key: value for key, value in numbers.items() if value is not None}
    if latency_ms:
        options["latency_ms"] = fault_client.latency_value(latency_ms)
    client = _fault_client(at)
    front = client.front()
    if bool(file) == bool(options):
        raise OrreryError("name a file, or say it by options", next_step="./orrery fault set --help")
    wanted = fault_client.from_file(Path(file), front) if file else [fault_client.from_options(options, front)]
    client.set(owner, wanted, seconds)
    for fault in wanted:
        Ui().say(f"{owner}: {fault}{f' for {seconds:g} s' if seconds else ''}")


@faults_app.command("list")
def list_faults(at: AtOption = "", json: JsonOption = False) -> None:
    """Show the faults that are set: whose, until when, how many calls they met and struck."""
    found = _fault_client(at).list()
    if json:
        _print_json(found)
        return
    rows = []
    for each in found:
        ends = "when it is cleared" if each["ends_in_s"] is None else f"in {each['ends_in_s']:g} s"
        for fault in each["faults"]:
            met, struck = fault.pop("met"), fault.pop("struck")
            shown = " ".join(f"{key}={value}" for key, value in fault.items() if key != "kind")
            rows.append([each["owner"], fault["kind"], shown, ends, met, struck])
    Ui().table(["owner", "fault", "", "ends", "met", "struck"], rows)


@faults_app.command("clear")
def clear_faults(
    owner: Annotated[str, typer.Argument(help="Whose; all by default, cut regions too.")] = "", at: AtOption = ""
) -> None:
    """End faults: an owner's, or all."""
    cleared = _fault_client(at).clear(owner)
    Ui().say(f"ended: {', '.join(cleared)}" if cleared else "no faults were set")


def _fault_client(at: str) -> FaultClient:
    from infra.local.fault_client import FaultClient

    if at:
        return FaultClient(at)
    from infra import deploy as life

    return life.cloud().faults()


replication_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="See and set how long writes travel between regions."
)
app.add_typer(replication_app, name="replication")


@replication_app.command("show")
def show_replication(
    pending: Annotated[bool, typer.Option("--pending", help="Each write that is on its way.")] = False,
    json: JsonOption = False,
) -> None:
    """Show how long writes travel, and what is on its way."""
    from infra import deploy as life

    client = life.cloud().replication()
    found: Any = client.pending() if pending else client.show()
    if json:
        _print_json(found)
        return
    if pending:
        rows = [[each["service"], each["source"], each["target"], each["place"], each["key"]] for each in found]
        Ui().table(["service", "from", "to", "place", "key"], rows)
        return
    paces = [
        [service, *(f"{each[k]:g}" for k in ("median_ms", "p95_ms", "seed"))]
        for service, each in found["paces"].items()
    ]
    Ui().table(["service", "median ms", "p95 ms", "seed"], paces)
    links = []
    for each in found["links"]:
        where, state = (
            [each[k] for k in ("service", "source", "target", "place")],
            "down" if each["link_down"] else "up",
        )
        links.append([*where, each["writes"], f"{each['oldest_s']:.1f} s", state])
    if links:
        Ui().table(["service", "from", "to", "place", "writes", "oldest", "link"], links)
    Ui().say(f"{found['applied']} arrived, {found['superseded']} lost against newer ones, {found['failed']} failed")


@replication_app.command("set")
def set_replication(
    name: Annotated[str, typer.Argument(help="fast (usual), public (what AWS says of itself) or off (at once).")] = "",
    service: Annotated[str, typer.Option(help="dynamodb or s3; both by default.")] = "",
    median_ms: Annotated[float | None, typer.Option(help="Half of the writes arrive within so many ms.")] = None,
    p95_ms: Annotated[
        float | None, typer.Option(help="And 95 of 100 within so many; as the median by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same times.")] = 0,
) -> None:
    """Set how long writes travel from now on: by a name, or in numbers. See docs/replication.md."""
    from dataclasses import replace

    from infra import deploy as life
    from infra.local.replication import USUAL, Pace
    from infra.local.replication_client import named

    if bool(name) == (median_ms is not None) or (name and p95_ms is not None):
        raise OrreryError("say a name, or --median-ms", next_step="./orrery replication set --help")
    if median_ms is None:
        paces = {each: replace(pace, seed=seed) for each, pace in named(name).items()}
    else:
        paces = dict.fromkeys(USUAL, Pace(median_ms, median_ms if p95_ms is None else p95_ms, seed))
    if service and service not in paces:
        raise OrreryError(f"{service} is not replicated here", next_step=f"use one of: {', '.join(paces)}")
    wanted = {each: pace for each, pace in paces.items() if service in ("", each)}
    life.cloud().replication().set(wanted)
    for each, pace in wanted.items():
        Ui().say(f"{each}: half within {pace.median_ms:g} ms, 95 of 100 within {pace.p95_ms:g} ms")


@app.command()
def bootstrap(region: Annotated[str, typer.Option(help="Home region of the stacks.")] = "us-east-1") -> None:
    """Create the bucket for the Terraform states of the AWS account that you are logged in to."""
    from infra import bootstrap as once
    from infra import targets

    once.bootstrap(targets.aws().account_id, region, Ui())


@app.command()
def scan(
    path: Annotated[str, typer.Option(help="A folder of Terraform files instead of modules and stacks.")] = "",
    sarif: Annotated[str, typer.Option(envvar="SARIF", help="Write a SARIF file, for code scanning.")] = "",
    junit: Annotated[str, typer.Option(envvar="JUNIT", help="Write a JUnit XML file, for test reports.")] = "",
    verbose: VerboseOption = False,
) -> None:
    """Check the modules and the plans of all stacks: checkov's policies and the project's own."""
    from infra import scan as policies

    folder, *files = (Path(each).resolve() if each else None for each in (path, sarif, junit))
    policies.scan(Ui(verbose), folder, sarif=files[0], junit=files[1])


@app.command()
def schemas(
    base: Annotated[str, typer.Option(envvar="BASE", help="The branch or commit to compare with.")] = "",
) -> None:
    """Check that each topic's schema reads all that its earlier versions on the base branch allowed."""
    from infra import schemas as topics

    compared = topics.compare(base)
    for each in compared:
        Ui().say(f"{each.file}: {each.versions} earlier, {len(each.problems)} problems")
        for problem in each.problems:
            Ui().say(f"  {problem}")
    if broken := [each.file for each in compared if each.problems]:
        raise OrreryError(
            f"{len(broken)} schemas can't read what may lie in their topics: {', '.join(broken)}",
            next_step="loosen the change, or declare a new topic with a schema file of its own",
        )


@app.command()
def lock() -> None:
    """Lock every requirements/*.in and lambdas/*/requirements.in again, with hashes."""
    from infra import envs

    for file in envs.lock_all(say=Ui().note):
        Ui().say(f"locked {file}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def terraform(context: typer.Context) -> None:
    """Run the Terraform that the engine uses, in this folder: ./orrery terraform fmt -recursive modules."""
    import subprocess

    from infra import terraform as runner

    command = [*runner.find_terraform(Ui()), *context.args]
    raise typer.Exit(subprocess.call(command, env=runner.base_environment(inherit_aws=True)))


@app.command()
def docs(
    stack: Annotated[
        str, typer.Argument(help="A deployed stack with documentation of its own, such as 04_orbit.")
    ] = "",
    check: Annotated[bool, typer.Option(help="Only look; fail when something is stale.")] = False,
    target: TargetOption = "local",
    verbose: VerboseOption = False,
) -> None:
    """Write the generated parts of the documentation; with a stack, the page about what it holds.

    Generated are the table of forty, interfaces of modules, pictures of stacks.
    """
    if stack:
        from infra import catalog, targets
        from infra import deploy as life

        life.document(catalog.built(stack), targets.check_name(target), Ui(verbose))
        return
    from infra import docs as generated
    from infra.paths import ROOT

    stale = generated.update(write=not check)
    for file in stale:
        Ui().say(f"{'stale' if check else 'written'}: {file.relative_to(ROOT)}")
    if check and stale:
        raise OrreryError(f"{len(stale)} generated parts are stale", next_step="run: make docs")


@app.command()
def env(name: Annotated[str, typer.Argument(help="A lock file in requirements/, such as test.")]) -> None:
    """Make a Python environment and print its interpreter."""
    from infra import envs

    print(envs.ensure(name, say=Ui().note))


def main() -> None:
    """Run the command line; turn every failure into one line, a next step and an exit code."""
    verbose = "--verbose" in sys.argv or "-v" in sys.argv or os.environ.get("VERBOSE", "") not in ("", "0")
    names = ("VERBOSE", "YES", "ALL", "TARGET", "DATA", "BASE", "SARIF", "JUNIT", "SET", "REGION", "BACK", "DRY_RUN")
    for name in names:
        if os.environ.get(name) == "":
            del os.environ[name]  # make passes unset variables as empty ones
    try:
        code = app(standalone_mode=False, prog_name="orrery")
        if code == 130:  # typer makes an exit code of Ctrl-C
            print("stopped", file=sys.stderr)
        sys.exit(code if isinstance(code, int) else 0)
    except OrreryError as error:
        print(f"error: {error.what}", file=sys.stderr)
        if error.next_step:
            print(f"next: {error.next_step}", file=sys.stderr)
        if error.details and verbose:
            print(f"\n{error.details}", file=sys.stderr)
        sys.exit(error.code)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        print("next: is the disk full or a folder not writable? make doctor", file=sys.stderr)
        sys.exit(1)
    except Exception as error:  # typer's own usage errors know how to show themselves
        show = getattr(error, "show", None)
        if show is None:
            raise
        show()
        sys.exit(getattr(error, "exit_code", 2))
