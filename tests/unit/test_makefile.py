"""Each make target does something: one that is declared and has no rule would end well without a word."""

from __future__ import annotations

import re
import subprocess

from infra.paths import ROOT


def declared(makefile: str) -> set[str]:
    """Return the names behind ``.PHONY``."""
    found = re.search(r"^\.PHONY:((?:.*\\\n)*.*)$", makefile, re.M)
    assert found
    return set(found[1].replace("\\", " ").split())


def with_commands(makefile: str) -> set[str]:
    """Return the targets that have at least one command."""
    return set(re.findall(r"^([a-z0-9-]+):.*\n\t", makefile, re.M))


def test_every_declared_target_has_commands_and_the_other_way_round() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert declared(makefile) == with_commands(makefile)


def test_a_target_without_commands_is_seen() -> None:
    makefile = ".PHONY: one two\none: ## does it\n\t@true\n"
    assert declared(makefile) - with_commands(makefile) == {"two"}


def test_help_names_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in shown.splitlines()} == with_commands(makefile)
