"""The review as Markdown for a pull request: it always fits a comment, and says what it left out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from infra.review.model import ACTIONS, RULES, Change, Review

LIMIT = 65_536
"""Characters that a pull request's comment may have on GitHub."""
MARKER = "<!-- orrery review -->"
"""By this a workflow finds the comment that it wrote before."""
SIGNS = {"create": "+", "delete": "-", "forget": "○", "move": "→", "replace": "±", "update": "~"}
FULL = 1_000_000

Section = Callable[[Review, int], list[str]]
"""Writes a part of the page with at most so many entries; nothing where there is nothing to say."""


def render(review: Review, whole: str = "review.json", limit: int = LIMIT) -> str:
    """Write the review as Markdown of at most ``limit`` characters.

    Parameters
    ----------
    review : Review
        What to write.
    whole : str
        Where all of it is, as the page says where it leaves something out.
    limit : int
        In characters.
    """
    room = [FULL] * len(SECTIONS)
    while True:
        parts = [section(review, room[index]) for index, section in enumerate(SECTIONS)]
        cut = any(each < FULL for each in room)
        text = _page(review, parts, whole if cut else "")
        if len(text) <= limit:
            return text
        # The longest section gives way first: half of what it shows, at last a line with its count.
        longest = max(range(len(parts)), key=lambda index: (sum(map(len, parts[index])), index))
        if not any(room):
            return text[: limit - 1] + "…"
        shown = min(room[longest], len(parts[longest]))
        room[longest] = shown // 2 if room[longest] else 0
        if not room[longest] and sum(map(len, parts[longest])) < 300:
            room = [0] * len(room)


def _page(review: Review, parts: Sequence[Sequence[str]], whole: str) -> str:
    lines = [MARKER, f"## {review.verdict}", ""]
    same = f", {len(review.unchanged)} of them unchanged" if review.unchanged else ""
    lines += [f"{_counted(len(review.stacks), 'stack')} compared{same}: `{review.base}` → `{review.head}`.", ""]
    for part in parts:
        lines += [*part, ""] if part else []
    if whole:
        lines += [f"_Shortened to fit a comment. All of it is in `{whole}`._", ""]
    return "\n".join(lines).rstrip() + "\n"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _listed(title: str, entries: Sequence[str], most: int, *, folded: bool = False) -> list[str]:
    """Return a section's lines: a title, at most so many entries, and how many are missing."""
    if not entries:
        return []
    shown = list(entries[:most])
    if len(entries) > most:
        shown.append(f"- … {len(entries) - most} more")
    if folded and most:
        return [f"<details><summary>{title}</summary>", "", *shown, "", "</details>"]
    return [f"### {title}", "", *shown]


def _code(text: str) -> str:
    """Return text as code that no backtick in it can end."""
    fence = "``" if "`" in text else "`"
    pad = " " if "`" in text else ""
    return f"{fence}{pad}{text}{pad}{fence}" if text else ""


def _reasons(review: Review, most: int) -> list[str]:
    entries = [
        f"- **{each.level}** · {RULES[each.rule][1]} ({each.rule}: {_code(each.text)})" for each in review.reasons
    ]
    return _listed("Why", entries, most)


def _failed(review: Review, most: int) -> list[str]:
    return _listed("Not reviewed", [f"- **{stack}**: {why}" for stack, why in review.failed.items()], most)


LOST = {
    "delete": "is destroyed",
    "replace": "is replaced",
    "forget": "leaves Terraform's care",
    "move": "moves, nothing is lost",
}


def _losses(review: Review, most: int) -> list[str]:
    entries = []
    for each in review.losses:
        because = f" because of {', '.join(map(_code, each.because))}" if each.because else ""
        entries.append(f"- {_code(each.address)} ({each.stack}) **{LOST[each.action]}**{because}.")
        if each.action != "move":
            entries[-1] += f" Protected by: {', '.join(each.protected) or 'nothing'}."
            entries[-1] += f" Missing: {', '.join(each.missing)}." if each.missing else ""
    entries += [
        f"- {_code(each.address)} ({each.stack}) guards less: {_code(each.attribute)} {_code(each.text)}"
        for each in review.guards
    ]
    return _listed("Data-loss watch", entries, most)


def _blast(review: Review, most: int) -> list[str]:
    radius = review.blast
    if not radius.reached:
        return []
    reached = [
        f"- {steps} {'step' if steps == 1 else 'steps'}: {_code(node)}"
        for node, steps in sorted(radius.reached, key=lambda each: (each[1], each[0]))
    ]
    graph: list[str] = []
    if most >= len(reached) and len(radius.edges) <= 40:
        ids = {
            node: f"n{number}" for number, node in enumerate(sorted({each for edge in radius.edges for each in edge}))
        }
        graph = ["```mermaid", "flowchart LR"]
        graph += [f'  {ids[node]}["{node}"]' + (":::changed" if node in radius.changed else "") for node in ids]
        graph += [f"  {ids[one]} --> {ids[other]}" for one, other in radius.edges]
        graph += ["  classDef changed stroke-width:3px", "```"]
    reach, origin = _counted(len(radius.reached), "module"), _counted(len(radius.changed), "module")
    title = f"Blast radius: {reach} downstream of the {origin} with changes"
    return [*_listed(title, reached, most), "", *graph] if graph else _listed(title, reached, most)


def _access(review: Review, most: int) -> list[str]:
    entries = []
    for each in review.access:
        mark = " **everybody**" if each.public else " **every action on everything**" if each.wild else ""
        entries.append(
            f"- {_code(each.address)} ({each.stack}), {each.kind}{mark}{f': {each.note}' if each.note else ''}"
        )
        entries += [f"  - added: {_code(line)}" for line in each.added]
        entries += [f"  - removed: {_code(line)}" for line in each.removed]
    return _listed("Rights and exposure", entries, most)


def _changes(review: Review, most: int) -> list[str]:
    lines: list[str] = []
    ordered = sorted(
        review.changes, key=lambda each: (each.stack, each.module, ACTIONS.index(each.action), each.address)
    )
    for (stack, module), group in groupby(ordered, key=lambda each: (each.stack, each.module)):
        members = list(group)
        lines.append(f"- **{stack}** {_code(f'module.{module}') if module else 'itself'}: {_summary(members)}")
        for each in members:
            if each.action != "create":
                lines += _change(each)
        made = [each.address for each in members if each.action == "create"]
        if made:
            lines.append(f"  - `+` {', '.join(_code(each.rpartition(f'module.{module}.')[2]) for each in made)}")
    return _listed("Changes by module", lines, most, folded=len(lines) > 30)


def _summary(members: Sequence[Change]) -> str:
    counts = {action: sum(each.action == action for each in members) for action in ACTIONS}
    return ", ".join(f"{count} to {action}" for action, count in counts.items() if count)


def _change(change: Change) -> list[str]:
    doubt = " (not certain: the base itself could not be settled)" if not change.certain else ""
    moved = f", formerly {_code(change.moved_from)}" if change.moved_from else ""
    lines = [f"  - `{SIGNS[change.action]}` {_code(change.address)}{moved}{doubt}"]
    for each in change.attributes:
        forces = " **forces replacement**" if each.replaces else ""
        lines.append(f"    - {each.path}: {_code(each.before)} → {_code(each.after)}{forces}")
    if change.folded:
        lines.append(f"    - folded: {', '.join(change.folded[:6])}{' …' if len(change.folded) > 6 else ''}")
    return lines


def _policy(review: Review, most: int) -> list[str]:
    marks = (("added", review.policy_added), ("mended", review.policy_mended))
    entries = [
        f"- **{mark}** {each.check_id} {_code(each.address)}: {each.title} ({each.file}:{each.line})"
        for mark, findings in marks
        for each in findings
    ]
    return _listed(f"Policy: {len(review.policy_added)} added, {len(review.policy_mended)} mended", entries, most)


def _cost(review: Review, most: int) -> list[str]:
    cost, entries = review.cost, []
    for line in (each for each in cost.lines if each.before != each.after):
        entries.append(
            f"- {_code(line.address)}: {line.before} → {line.after} ({'; '.join(line.working)}). {line.assumption}"
        )
    entries += [
        f"- {each.change} by use: {each.type} in {each.region}, {each.price}, × {len(each.addresses)}"
        for each in cost.by_use
        if each.change != "stays"
    ]
    entries += [
        f"- **unknown**: {each.type} in {each.region} ({_counted(each.count, 'resource')}): {each.reason}"
        for each in cost.unknown
    ]
    sign = "+" if cost.delta >= 0 else "−"
    title = f"Cost: {sign}{abs(cost.delta)} USD a month, an estimate without what follows use"
    if cost.unknown:
        title += f", without {_counted(sum(each.count for each in cost.unknown), 'resource')} of unknown price"
    return _listed(title, entries, most, folded=len(entries) > 8)


def _tags(review: Review, most: int) -> list[str]:
    return _listed("Default tags", [f"- {line}" for line in review.tags], most)


SECTIONS: tuple[Section, ...] = (_reasons, _failed, _losses, _blast, _changes, _access, _policy, _cost, _tags)
"""In the order of the page."""
