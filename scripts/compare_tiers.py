"""Compare the tiers of 14_blackhole: what each has planned for AWS and costs a month while nobody uses it.

Plans all of them offline, as one root, prices the plan with the review's table, and writes a table into the stack's
README. No account is needed.

Usage: ``.venv/bin/python -P scripts/compare_tiers.py``; with ``--check`` it only looks whether the table is stale.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra import catalog, plan, settings, stack, targets
from infra.docs import replace_between
from infra.output import Ui
from infra.review import cost, model, planning
from infra.terraform import Terraform, write_configuration

STACK = "14_blackhole"
MARKER = "tiers"
FULL = "active_active"


@dataclass(frozen=True)
class Tier:
    """A row: how it is chosen, and what it means for who uses the platform when us-east-1 is gone."""

    name: str
    chosen: tuple[str, ...]
    lost: str
    back: str


TIERS = (
    Tier(
        "backup_restore",
        ("tier=backup_restore",),
        "all since the last copied backup: a day, and as long as backup and copy take",
        "hours: somebody restores the backup in eu-west-1 and deploys there",
    ),
    Tier(
        "pilot_light",
        ("tier=pilot_light",),
        "the last seconds of users, minutes of avatars: what was not replicated yet",
        "as long as a deployment takes, once somebody has decided it, and while AWS can carry it out (above)",
    ),
    Tier(
        "pilot_light, promoted",
        ("tier=pilot_light", "promoted=true"),
        "the same",
        "by itself: three failed checks of 10 s, and 60 s that clients remember the name",
    ),
    Tier(
        "warm_standby",
        ("tier=warm_standby",),
        "the same",
        "by itself as above; with 10 requests at once until it is promoted",
    ),
    Tier(
        FULL,
        (f"tier={FULL}",),
        "the same, and only of those who were led to us-east-1",
        "by itself as above, for these alone; nobody else notices",
    ),
)


@dataclass(frozen=True)
class Figures:
    """What a tier has and costs."""

    resources: int
    usd: Decimal
    unknown: int


def main(arguments: Sequence[str]) -> int:
    """Write the table, or look whether it is stale; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only look")
    check = parser.parse_args(arguments).check
    file = catalog.built(STACK).path / "README.md"
    text = file.read_text()
    wanted = replace_between(text, MARKER, table(figures(Ui())))
    if check:
        print(f"the tiers in {file.name} are {'as they should be' if text == wanted else 'stale'}")
        return int(text != wanted)
    file.write_text(wanted)
    print(f"written: {file}")
    return 0


def figures(ui: Ui) -> dict[str, Figures]:
    """Plan and price all tiers; return what came of it by the tier's name."""
    ids = {f"{STACK}_{number}": tier for number, tier in enumerate(TIERS)}
    with tempfile.TemporaryDirectory(prefix="tiers-") as name:
        planned = _planned(Path(name).resolve(), ids, ui)
    deltas = tuple(found for change in planned["resource_changes"] if (found := planning.delta(change, list(ids))))
    comparison = planning.Comparison(deltas, planning.EMPTY_PLAN, planned, (), {})
    priced = list(model.priced(deltas, comparison, list(ids)))
    compared = {}
    for each, tier in ids.items():
        estimate = cost.estimate(resource for resource in priced if resource.address.startswith(f"{each} "))
        unknown = sum(one.count for one in estimate.unknown)
        compared[tier.name] = Figures(sum(one.stack == each for one in deltas), estimate.total_after, unknown)
    return compared


def _planned(folder: Path, ids: Mapping[str, Tier], ui: Ui) -> Mapping[str, Any]:
    """Return the plan of a root that holds each tier as a module, in Terraform's JSON form."""
    info, configurations = catalog.built(STACK), {}
    for each, tier in ids.items():
        module = plan.module_of(each)
        chosen = settings.choose(info, tier.chosen)
        configurations[module] = stack.create(chosen, targets.offline(), folder / module)[1]
        write_configuration(folder / module, plan.as_child(configurations[module]))
    with planning.offline_aws() as endpoint:
        terraform = Terraform(folder, {**targets.offline().environment, "AWS_ENDPOINT_URL": endpoint}, ui)
        terraform.write(plan.merged_root(configurations))
        terraform.init()
        return terraform.show(terraform.plan(refresh=False))


def table(found: Mapping[str, Figures]) -> str:
    """Return the table as Markdown."""
    lines = [
        "| tier | resources | USD a month, idle | against active_active | lost with us-east-1 (RPO) "
        "| served again (RTO) |",
        "|---|--:|--:|--:|---|---|",
    ]
    for tier in TIERS:
        own = found[tier.name]
        less = own.usd - found[FULL].usd
        against = f"{less:+.2f}" if less else "–"
        lines.append(f"| {tier.name} | {own.resources} | {own.usd:.2f} | {against} | {tier.lost} | {tier.back} |")
    unpriced = sorted({own.unknown for own in found.values()})
    several = f"{unpriced[0]} to {unpriced[-1]}" if len(unpriced) > 1 else f"{unpriced[0]}"
    lines += [
        "",
        "Planned for AWS offline, priced with [the review's table](../../infra/review/prices.toml): only what is "
        "charged while nobody uses it. What follows use is not in it (requests, checkers' calls, storage), nor are "
        f"{several} resources per tier without a known price. Written by "
        "`.venv/bin/python -P scripts/compare_tiers.py`.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
