"""What a drill in a real account does and costs, for the person who has to say yes.

Prices are those of the review (``infra/review/prices.toml``) where it has them, each with a dated source. What nobody
could confirm is listed as unknown, never as zero. What the deployed stack costs anyway is not in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from infra.drill.aws import AwsGround, Parts, Strike, lease_minutes, notes
from infra.drill.experiment import length_s
from infra.drill.workload import ATTEMPTS, TRIAL_S, Plan
from infra.review import prices

BEFORE_S = 5.5
"""How long clients work before the experiment begins, for its hypothesis."""
LOOKS = 24
"""How often the regions' content is compared: two minutes, until the regions hold the same."""

KINDS: Mapping[str, tuple[str, str, str, int]] = {
    "table_write": ("writes of the table, in each replica", "aws_dynamodb_table", "writes", 1_000_000),
    "table_read": ("reads of the table", "aws_dynamodb_table", "reads", 1_000_000),
    "api_request": ("requests to the API", "aws_apigatewayv2_api", "requests", 1_000_000),
    "function_call": ("calls of the function", "aws_lambda_function", "requests", 1_000_000),
    "function_gb_s": ("the function's GB-seconds", "aws_lambda_function", "duration", 1),
    "object_put": ("objects put, copied and listed", "aws_s3_bucket", "PUT, COPY, POST, LIST", 1_000),
    "object_get": ("objects read", "aws_s3_bucket", "GET and others", 1_000),
    "copied_gb": ("GB of objects sent to the other region", "aws_s3_bucket_replication_configuration", "transfer", 1),
}
"""What ``[settings.drill.aws.uses]`` counts: in words, the part of the price table, and how many its price is for."""

FIS_USD = Decimal("0.10")
FIS_SOURCE = "AWS Fault Injection Service pricing (a stored copy of the page, read 2026-11-30)"
"""Of an action and minute, in all regions but GovCloud: aws.amazon.com/fis/pricing."""

UNKNOWN = (
    "TestDNSAnswer and other questions to Route 53: no price of them was found",
    "requests to the key, replication time control, the table's transfer between regions",
    "logs, traces and metrics of the API",
)
"""What is used and has no figure here."""


@dataclass(frozen=True)
class Row:
    """One line of the estimate.

    Parameters
    ----------
    what, region : str
        What is used, and where.
    amount : Decimal
        How much of it.
    usd : Decimal or None
        What it costs; None where no price is known.
    source : str
        Where the price is from, with its date.
    """

    what: str
    region: str
    amount: Decimal
    usd: Decimal | None
    source: str = ""


def rows(
    facts: Mapping[str, Any], plan: Plan, experiment: Mapping[str, Any], strikes: Sequence[Strike], parts: Parts
) -> list[Row]:
    """Return what a drill uses and costs: each call once, all looks, all that is removed, and the pauses' lease.

    Parameters
    ----------
    facts : mapping
        ``[settings.drill]`` of the stack; its ``aws.uses`` says what a call of each path uses.
    plan : Plan
        Who the clients are and how much they do.
    experiment : mapping
        What will be run.
    strikes : sequence of Strike
        What is done for its faults.
    parts : Parts
        What there is to strike.
    """
    used: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for path, counts in calls(plan, experiment).items():
        for action, count in counts.items():
            for kind, each in facts["aws"]["uses"][path].get(action, {}).items():
                for region in plan.homes:
                    # A global table writes in all regions what is written in one.
                    share = 1 if kind == "table_write" else len(plan.homes)
                    used[kind, region] += Decimal(str(each)) * count / share
    found = [_priced(kind, region, used[kind, region]) for kind in KINDS for region in plan.homes if used[kind, region]]
    actions = sum(1 + 2 * (len(parts.buckets) - 1) for each in strikes if each.kind == "replication")
    if actions:
        minutes = Decimal(actions * lease_minutes(experiment))
        what = f"action-minutes of the Fault Injection Service, {actions} actions, at most"
        found.append(Row(what, "all", minutes, minutes * FIS_USD, FIS_SOURCE))
    return found


def calls(plan: Plan, experiment: Mapping[str, Any]) -> dict[str, dict[str, Decimal]]:
    """Return how many writes, reads, looks at a key and removals of a key there are at most, by path."""
    seconds = Decimal(str(BEFORE_S + length_s(experiment)))
    trial = Decimal(str(TRIAL_S * AwsGround.trial_most))
    found = {}
    for path, rate in plan.writes_per_s.items():
        per_s = Decimal(str(rate))
        keys = len({key for each in plan.people() if each.path == path for key in plan.keys_of(each)})
        found[path] = {
            "write": per_s * (seconds + trial),
            "read": per_s * seconds * Decimal(str(plan.read_share)),
            "look": Decimal(keys * LOOKS),
            "remove": Decimal(keys * 2),
        }
    return found


def _priced(kind: str, region: str, amount: Decimal) -> Row:
    what, resource, part, per = KINDS[kind]
    for each in prices.load().entries[resource].parts:
        if each.what == part and each.kind == "use":
            figure = each.prices.get(region, {}).get("")
            if figure is None:
                break
            source = figure.source
            via = f", via {source.via}" if source.via else ""
            return Row(what, region, amount, figure.usd * amount / per, f"{source.name} ({source.date}{via})")
    return Row(what, region, amount, None)


def total(found: Iterable[Row]) -> Decimal:
    """Return the sum of what has a price."""
    return sum((each.usd for each in found if each.usd is not None), Decimal(0))


def text(
    title: str,
    found: Sequence[Row],
    plan: Plan,
    experiment: Mapping[str, Any],
    strikes: Sequence[Strike],
    left: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Return what is said before anything starts, a line each.

    Parameters
    ----------
    title : str
        The experiment, and where.
    found : sequence of Row
        The estimate.
    plan, experiment, strikes
        As of `rows`.
    left : sequence of mapping
        What a killed drill left to undo.
    """
    minutes = length_s(experiment) / 60
    lines = [f"{title}: {minutes:.1f} minutes of experiment, and the time until the regions hold the same"]
    lines += [f"  first    undo what a killed drill left: {each['kind']} of {each['region']}" for each in left]
    lines += [f"  strikes  {each}" for each in strikes]
    lines += [f"  note     {each}" for each in notes(strikes)]
    for path, counts in calls(plan, experiment).items():
        lines.append(
            f"  calls    {path}: {counts['write']:,.0f} writes, {counts['read']:,.0f} reads, of "
            f"{plan.clients[path]} clients; one that fails is tried {ATTEMPTS} times"
        )
    for what in dict.fromkeys(row.what for row in found):
        own = [row for row in found if row.what == what]
        amount, without = sum((row.amount for row in own), Decimal(0)), [row.region for row in own if row.usd is None]
        missing = f", price unknown in {', '.join(without)}" if without else ""
        shown = f"{amount:,.0f}" if amount >= 10 else f"{amount:.2g}"
        lines.append(f"  cost     {total(own):>9.4f} USD  {shown:>8} {what}{missing}")
    lines += [f"  cost       unknown      {each}" for each in UNKNOWN]
    lines.append(f"  sum      about {total(found):.2f} USD, and what is unknown; free tiers are not counted")
    sources = sorted({row.source for row in found if row.source})
    lines += [f"  price    {each}" for each in sources]
    return lines
