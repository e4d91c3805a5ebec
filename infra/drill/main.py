"""One drill, in its own environment: ``python -P -m infra.drill.main settings.json``. The engine starts it."""

from __future__ import annotations

import importlib
import json
import logging
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from infra import targets
from infra.drill import actions, report
from infra.drill.alarms import Alarms
from infra.drill.experiment import checked_faults, extension, hasten
from infra.drill.ground import Context, Ground, LocalGround
from infra.drill.journal import Journal
from infra.drill.measure import Content, Measures, Window, measure
from infra.drill.workload import HEADROOM, Failed, Fleet, Found, Late, Workload, affordable, carried, planned
from infra.errors import OrreryError

RECENT_S = 5.0
"""Over how long the hypothesis looks at the clients' success; a drill in a hurry has a second at least."""
LATE_WRITES = 20
"""How many old writes of each path are sent again when all is over."""


@dataclass(frozen=True)
class Settings:
    """What the engine asks for; ``settings.json`` has it."""

    stack: str
    source: str
    workload: str
    name: str
    zone: str
    experiment: str
    title: str
    out: str
    seed: int
    hurry: float
    load: Mapping[str, Mapping[str, Any]]
    rates: Mapping[str, float]
    runbook: str
    prefix: str
    outputs: Mapping[str, Any]
    regions: Sequence[str]
    target: Mapping[str, Any]


def main(arguments: Sequence[str]) -> int:
    """Run a drill; return 0 where all invariants held, 1 where one broke, 2 where it could not be run."""
    settings = Settings(**json.loads(Path(arguments[0]).read_text()))
    logging.getLogger("chaostoolkit").setLevel(logging.WARNING)
    try:
        drill = Drill(settings, ground(settings))
        found = drill.run()
    except OrreryError as error:
        print(json.dumps({"error": error.what, "next_step": error.next_step}))
        return 2
    said = {"broken": found.broken, "rows": report.rows(found), "line": report.line(found)}
    print(json.dumps({**said, "rates": drill.plan.writes_per_s}))
    return 1 if found.broken else 0


class Drill:
    """A fleet, a fault and what they left behind.

    Parameters
    ----------
    settings : Settings
        What to do.
    place : Ground
        Where to do it.
    """

    def __init__(self, settings: Settings, place: Ground) -> None:
        self.settings, self.out = settings, Path(settings.out)
        self.ground, self.context = place, place.context
        sys.path.insert(0, settings.source)
        module, _, name = settings.workload.partition(":")
        self.workload: Workload = getattr(importlib.import_module(module), name)(self.context)
        self.journal = Journal(self.out / "journal.jsonl")
        regions = self.context.regions
        self.alarms = Alarms(
            lambda region: self.context.client("cloudwatch", region, operator=True),
            regions,
            settings.prefix,
            self._note,
            place.lasting,
        )
        self.resolver = place.resolver(
            settings.zone, settings.name, self.workload.healthy, self._heard, self.alarms.report
        )
        self.plan = planned(settings.seed, regions, settings.load, settings.rates)
        self.fleet = Fleet(self.plan, self.workload, self.resolver, self.journal)
        self.carries: Mapping[str, float] = {}
        self.recent_s = max(1.0, RECENT_S / settings.hurry)
        self.survivor: Mapping[str, Found] | None = None
        self.struck = ""
        self.given_up: set[str] = set()
        self.expected: Sequence[str] = ()

    def run(self) -> Measures:
        """Let clients work, run the experiment, wait until the regions agree, and write what was found.

        Raises
        ------
        OrreryError
            The experiment is none, or its hypothesis did not hold before anything was broken.
        """
        experiment = self._experiment()
        keys = [*self.plan.every_key, *map(self.plan.trial_key, self.plan.people()), self._fenced_key]
        self._must_be_well()
        self.workload.remove(keys)  # those of a drill that was killed
        self._choose_rates()
        try:
            with self.ground.held(f"drill-{self.settings.stack}") as held:
                actions.RUN = actions.Run(held.set, self._note, self._served, self._runbook, self._probe)
                self.alarms.start()
                self.resolver.start()
                self.fleet.start()
                self._watch(experiment)
                journal = self._perform(experiment)
                self.fleet.stop()
                held.set([])
                found = self._found(self._settled())
                found = self._judged(found, journal)
            self._write(experiment, journal, found)
            return found
        finally:
            self.fleet.stop()
            self.resolver.stop()
            self.alarms.stop()
            self._open_fences()
            self.workload.remove(keys)
            self.journal.close()

    # -- parts -------------------------------------------------------------------------------------------------

    def _experiment(self) -> dict[str, Any]:
        from chaoslib.exceptions import ChaosException
        from chaoslib.experiment import ensure_experiment_is_valid

        file = Path(self.settings.experiment)
        try:
            found: dict[str, Any] = json.loads(file.read_text())
            ensure_experiment_is_valid(found)
        except (OSError, ValueError, ChaosException) as error:
            reason = getattr(error, "msg", "") or str(error)
            where = f"{file.name}:{error.lineno}" if isinstance(error, json.JSONDecodeError) else file.name
            raise OrreryError(
                f"{where}: {reason}", next_step="mend the experiment; docs/drills.md has the form"
            ) from error
        faults = checked_faults(found, file)
        hasten(found, self.settings.hurry)
        self.expected = extension(found).get("alarms", [])
        self.struck = next((str(each["region"]) for each in faults if each.get("region")), "")
        if self.struck not in self.context.regions:
            raise OrreryError(
                f"{file.name} strikes no region of the stack", next_step=f"name one: {', '.join(self.context.regions)}"
            )
        return found

    def _perform(self, experiment: dict[str, Any]) -> dict[str, Any]:
        """Run the experiment to its end; its rollbacks run whatever happens."""
        from chaoslib.experiment import run_experiment

        _wait(self.recent_s + 0.5)  # the hypothesis looks at what clients saw
        settings = {"runtime": {"rollbacks": {"strategy": "always"}}}
        journal: dict[str, Any] = run_experiment(experiment, settings)
        if journal["status"] == "failed" and not journal.get("run"):
            raise OrreryError(
                f"{self.settings.title}: the steady state does not hold before anything is broken",
                next_step=f"is the stack well? make deploy STACK={self.settings.stack}",
            )
        return journal

    def _watch(self, experiment: Mapping[str, Any]) -> None:
        """End the experiment where it does more than it was meant to: nobody anywhere is served for so long."""
        limit = float(extension(experiment).get("abort_when_unserved_s", 120)) / self.settings.hurry

        def look() -> None:
            while not self.fleet.stopped:
                since = max((each.end for each in reversed(self.journal.calls[-500:]) if each.ok), default=time.time())
                if time.time() - since > limit:
                    self.journal.event("aborted")
                    signal.raise_signal(signal.SIGINT)
                    return
                _wait(0.5)

        threading.Thread(target=look, name="abort", daemon=True).start()

    def _heard(self, what: str, region: str) -> None:
        """Note a verdict about a region; the moment clients are led away is when the survivor's content counts."""
        self.journal.event(what, region)
        if what == "unhealthy" and region == self.struck and self.survivor is None:
            others = [each for each in self.context.regions if each != region]
            self.survivor = self.workload.content(others[0], self.plan.every_key)

    def _note(self, what: str, region: str) -> None:
        self.journal.event(what, region)

    def _served(self) -> float:
        recent = [each for each in self.journal.calls[-2000:] if each.end > time.time() - self.recent_s]
        return sum(each.ok for each in recent) / len(recent) if recent else 0.0

    def _window(self) -> Window:
        events = self.journal.events
        begin = min((each.at for each in events if each.what == "fault begins"), default=time.time())
        end = min((each.at for each in events if each.what == "fault ends" and each.at > begin), default=time.time())
        return Window(begin, end, self.struck)

    def _must_be_well(self) -> None:
        """Raise where a region is not healthy before anything is broken."""
        ill = [region for region in self.resolver.records if not self.workload.healthy(region, 10.0)]
        if ill:
            raise OrreryError(
                f"{ill[0]} is not healthy before anything is broken",
                next_step=f"where it is fenced: ./orrery failover {self.settings.stack} {ill[0]} --back; "
                f"else: make deploy STACK={self.settings.stack}",
            )

    def _choose_rates(self) -> None:
        """Set how many writes the clients make: as the stack wants, unless this machine carries less with headroom.

        Raises
        ------
        OrreryError
            A path acknowledges nothing, before anything is broken.
        """
        if self.settings.rates:
            return
        self.carries = carried(self.plan, self.workload, most=self.ground.trial_most)
        dead = [path for path, rate in self.carries.items() if not rate]
        if dead:
            raise OrreryError(
                f"{self.settings.title}: no write is acknowledged before anything is broken: {', '.join(dead)}",
                next_step=f"is the stack well? make deploy STACK={self.settings.stack}",
            )
        self.plan = replace(self.plan, writes_per_s=affordable(self.plan.writes_per_s, self.carries))
        self.fleet = Fleet(self.plan, self.workload, self.resolver, self.journal)

    @property
    def _fenced_key(self) -> str:
        return f"drill-{self.settings.seed}-fenced-00"

    def _probe(self, region: str) -> str:
        """Write to a region straight away, whatever the name says; return why it was not acknowledged, or ``ok``."""
        try:
            self.workload.write(self.workload.guarded, region, self._fenced_key, 1)
        except Failed as failure:
            return str(failure)
        return "ok"

    def _runbook(self, region: str, back: bool) -> list[str]:
        """Be the operator: follow the stack's runbook, from outside, as ``orrery failover`` does."""
        from infra import runbook

        book, said = runbook.load(self.settings.source, self.settings.runbook), list[str]()
        steps = (book.failback if back else book.failover)(self.context.live(), self.context.regions, region)
        if not back:
            self.given_up.add(region)  # already now: it may be fenced half-way
        runbook.perform(steps, said.append)
        if back:
            self.given_up.discard(region)
        return said

    def _open_fences(self) -> None:
        """Take back what was given up and not taken back, so that a drill that broke leaves the stack as it was."""
        for region in sorted(self.given_up):
            try:
                self._runbook(region, True)
            except OrreryError as error:
                self.journal.event(f"not taken back: {error.what}", region)

    def _found(self, final: Content) -> Measures:
        """Measure; then send old writes again, and see that nothing changes."""
        led_to = {home: self.resolver.usual(home) for home in self.context.regions}
        found = measure(
            self.journal.calls, self.journal.events, self._window(), self.survivor, final, self.plan.shared, led_to
        )
        late, refused = self._send_late(final)
        after = self._settled()
        changed = {
            key
            for region in final
            for key, held in final[region].items()
            if key not in after[region] or (after[region][key].seq, after[region][key].mixed) != (held.seq, held.mixed)
        }
        return replace(
            found,
            late=late,
            late_refused=refused,
            late_effective=tuple(sorted(changed)),
        )

    def _send_late(self, final: Content) -> tuple[int, int]:
        """Send writes that their clients have replaced, in the struck region; return how many, how many it refused."""
        sent = refused = 0
        for path in self.plan.clients:
            if path in self.plan.shared:
                continue
            keys = [key for each in self.plan.people() if each.path == path for key in self.plan.keys_of(each)]
            old = [key for key in keys if key in final[self.struck] and final[self.struck][key].seq > 1]
            for key in old[:LATE_WRITES]:
                sent += 1
                try:
                    self.workload.write(path, self.struck, key, final[self.struck][key].seq - 1)
                except Late:
                    refused += 1
                except Failed:
                    continue
        return sent, refused

    def _settled(self) -> Content:
        """Wait until all regions hold the same, and return what they hold; after a while as it is."""
        keys = self.plan.every_key
        deadline = time.monotonic() + self.ground.settle_s
        while True:
            content = {region: self.workload.content(region, keys) for region in self.context.regions}
            held = list(content.values())
            if all(each == held[0] for each in held) or time.monotonic() > deadline:
                self.journal.event("settled" if all(each == held[0] for each in held) else "never settled")
                return content
            _wait(self.ground.look_s)

    def _judged(self, found: Measures, journal: Mapping[str, Any]) -> Measures:
        """Say which invariants broke. Alarms count by the minute, so a drill in a hurry does not look at them."""
        real = self.settings.hurry == 1
        # Who interrupts a drill does not want to wait for what an alarm says by the minute.
        patience = 0.0 if journal["status"] in ("interrupted", "aborted") else 1.0
        if real:
            self.alarms.heard(self.expected, self.ground.fire_s * patience)
        quiet = self.alarms.quiet(self.ground.clear_s * patience) if real else True
        silent = [each for each in self.expected if not any(name.endswith(each) for name in self.alarms.fired)]
        through = [each for each in self.journal.events if each.what == "fenced write accepted"]
        checks = {
            f"{len(through)} writes got through a fence": bool(through),
            f"an alarm did not fire: {', '.join(silent)}": real and bool(silent),
            f"alarms still fire: {', '.join(sorted(self.alarms.unquiet))}": not quiet,
            f"{len(found.lost)} keys have lost acknowledged writes": found.lost,
            f"{len(found.mixed)} keys are mixed of two writes": found.mixed,
            f"{len(found.differing)} keys differ between the regions": found.differing,
            f"old writes changed {len(found.late_effective)} keys": found.late_effective,
            f"the experiment ended as {journal['status']}": journal["status"] != "completed",
            **{f"{step} failed: {why}": True for step, why in failed_steps(journal)},
        }
        broken = tuple(text for text, broke in checks.items() if broke)
        return replace(found, alarms=tuple(sorted(self.alarms.fired)), broken=broken)

    def _write(self, experiment: Mapping[str, Any], journal: Mapping[str, Any], found: Measures) -> None:
        window, title = self._window(), str(experiment["title"])
        begin = min((each.at for each in self.journal.calls), default=window.begin)
        facts = [
            f"Stack {self.settings.stack} {self.ground.where}, seed {self.settings.seed}, {time.strftime('%Y-%m-%d')}.",
            f"Fault for {window.end - window.begin:.0f} s in {window.region}: "
            + self.ground.fault(experiment["description"]),
            *[
                f"{each['clients']} clients, {self.plan.writes_per_s[path]:g} writes/s: {each['what']}."
                + (f" This machine carried {self.carries[path]:.0f}/s of these alone." if self.carries else "")
                for path, each in self.settings.load.items()
            ],
            *(
                [f"The rates are those of the stack, or less, so that {HEADROOM:.0%} of what is carried stays free."]
                if self.carries
                else []
            ),
            "The name as deployed: "
            + ", ".join(
                f"{r.role.lower()} {r.region} asked every {r.interval_s:g} s, {r.threshold} in a row".lstrip()
                for r in self.resolver.records.values()
            )
            + f", remembered for {next(iter(self.resolver.records.values())).ttl_s:g} s."
            + (
                ""
                if self.settings.hurry == 1
                else f" All of these times, and the fault's, divided by {self.settings.hurry:g}."
            ),
            *self.ground.facts(),
        ]
        text = report.markdown(title, facts, found, self.journal.events, begin)
        (self.out / "report.md").write_text(text)
        (self.out / "timeline.svg").write_text(report.timeline(title, self.journal.calls, self.journal.events, window))
        (self.out / "measures.json").write_text(json.dumps(asdict(found), indent=1))
        (self.out / "chaos-journal.json").write_text(json.dumps(journal, indent=1, default=str))


def ground(settings: Settings) -> Ground:
    """Return where a drill takes place."""
    told = settings.target
    if told["name"] == "aws":
        from infra.drill.aws import AwsGround, Parts

        target = targets.Target("aws", told["account"])
        experiment = json.loads(Path(settings.experiment).read_text())
        place = Context(target, settings.outputs, settings.regions)
        return AwsGround(place, Parts(**told["parts"]), Path(told["faults"]), experiment)
    target = targets.local(told["environment"], told["urls"])
    return LocalGround(Context(target, settings.outputs, settings.regions), settings.seed, settings.hurry)


def failed_steps(journal: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the steps of an experiment that failed, and why: the Chaos Toolkit goes on after them."""
    return [
        (step["activity"]["name"], str(step.get("exception", ["no reason"])[-1]).strip().rpartition("OrreryError: ")[2])
        for step in [*journal.get("run", []), *journal.get("rollbacks", [])]
        if step["status"] != "succeeded"
    ]


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
