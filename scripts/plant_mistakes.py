"""Plant small mistakes in copies of the live modules and stacks, and see who finds them.

Each mistake is what somebody might put into a pull request: a bucket opened, a key left out, a policy widened, a
retention shortened. It must be found by the inventory of what a module makes, by a policy, or by the review. Prints who
found what, and fails when one escaped everybody.

Usage: ``make mistakes``, or ``python -P scripts/plant_mistakes.py [--all] [--only RULE …]`` in the test environment.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from infra.output import Ui
from tests.mistakes.judging import Caught, judge
from tests.mistakes.planting import Mutant, mutants, sample
from tests.mistakes.rules import RULES

FINDERS = ("inventory", "policies", "review")


def main(arguments: Sequence[str]) -> int:
    """Plant, judge, print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--all", action="store_true", help="at every place; by default at one per rule and owner")
    parser.add_argument("--only", nargs="+", metavar="RULE", help="only these kinds of mistakes, or in these owners")
    wanted = parser.parse_args(arguments)
    everything = mutants(RULES)
    chosen = everything if wanted.all else sample(everything)
    if wanted.only:
        chosen = [each for each in chosen if {each.rule, each.owner} & set(wanted.only)]
    if not chosen:
        parser.error(f"no mistakes of that kind; there are {', '.join(RULES)}")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = judge(chosen, Path(folder), Ui())
    print(report(found, len(everything)))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if any(each.escaped for each in found) else 0


def report(found: Sequence[Caught], of: int) -> str:
    """Return a line per mistake, how many each finder found, and those that escaped all of them."""
    lines = [line(each) for each in found]
    by_finder = Counter(name for each in found for name in FINDERS if getattr(each, name))
    alone = sum(bool(each.inventory) and not (each.policies or each.review or each.planning) for each in found)
    unplanned = sum(bool(each.planning) for each in found)
    lines += [
        "",
        f"{len(found)} mistakes planted, of {of} that the rules can make. Found by "
        + ", ".join(f"{name}: {by_finder[name]}" for name in FINDERS)
        + f". {unplanned} can't even be planned; {alone} are found by the inventory alone.",
        escapes([each.mutant for each in found if each.escaped]),
    ]
    return "\n".join(lines)


def line(each: Caught) -> str:
    """Return who found one mistake."""
    by = [each.planning and f"not planned: {shorten(each.planning, 100)}"]
    by += [f"inventory ({len(each.inventory)})"] if each.inventory else []
    by += [", ".join(each.policies), ", ".join(each.review)]
    return f"{each.mutant.rule:30} {each.mutant.place:48} {'; '.join(filter(None, by)) or 'ESCAPED'}"


def escapes(escaped: Sequence[Mutant]) -> str:
    """Return the list of what nobody found."""
    return "Escaped: " + ("none" if not escaped else ", ".join(f"{each.rule} at {each.place}" for each in escaped))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
