"""The policies' list, and the rule that nothing is skipped without a reason."""

from __future__ import annotations

import re
import tomllib

import pytest

from infra import policies
from infra.paths import MODULES, ROOT, STACKS
from infra.policies import POLICIES, SETTINGS

LETTERS = SETTINGS["reason_letters"]
INLINE = re.compile(r"(?:checkov|bridgecrew|cortex):skip=[ \t]*([\w,-]*)[ \t]*:?[ \t]*(.*)")


def inline_skips(text: str) -> list[tuple[str, str]]:
    return [(check, reason.strip()) for check, reason in INLINE.findall(text)]


def config_skips(text: str) -> list[tuple[str, str]]:
    """Return the checks that .checkov.yaml skips everywhere, with the comment behind each."""
    section = text.partition("skip-check:\n")[2]
    return [(check, reason.strip()) for check, reason in re.findall(r"^  - (\w+)[ \t]*#?(.*)$", section, re.MULTILINE)]


def all_skips() -> list[tuple[str, str, str]]:
    """Return every skip in the repository: where, which check, why."""
    found = [
        (str(file.relative_to(ROOT)), *skip)
        for base in (MODULES, policies.FOLDER)
        for file in sorted(base.rglob("*.tf"))
        if ".terraform" not in file.parts
        for skip in inline_skips(file.read_text())
    ]
    found += [(".checkov.yaml", *skip) for skip in config_skips((ROOT / ".checkov.yaml").read_text())]
    for file in sorted(STACKS.rglob("stack.toml")):
        for entry in tomllib.loads(file.read_text()).get("accepted", ()):
            found.append((str(file.relative_to(ROOT)), entry["check"], entry.get("reason", "").strip()))
    return found


def test_each_skip_has_a_reason() -> None:
    found = all_skips()
    assert {".checkov.yaml", "modules/key/main.tf", "stacks/01_meteor/stack.toml"} <= {where for where, _, _ in found}
    assert [each for each in found if len(each[2]) < LETTERS] == []


@pytest.mark.parametrize("skip", ["CKV_AWS_1", "CKV_AWS_1:", "CKV_AWS_1: cheap", ":", ""])
def test_a_skip_without_one_would_be_seen(skip: str) -> None:
    ((_, reason),) = inline_skips(f"  # checkov:skip={skip}\n  name = x\n")
    assert len(reason) < LETTERS


@pytest.mark.parametrize("line", ["  - CKV_TF_1\n", "  - CKV_TF_1 # why\n"])
def test_one_in_the_configuration_too(line: str) -> None:
    ((check, reason),) = config_skips(f"skip-check:\n{line}")
    assert check == "CKV_TF_1" and len(reason) < LETTERS


def test_each_policy_says_what_it_wants_why_and_how_bad_it_is() -> None:
    assert len(POLICIES) >= 14
    for each in POLICIES.values():
        assert re.fullmatch(r"ORR_\d+", each.id) and each.title and len(each.why) > 40
        assert each.severity in ("low", "medium", "high", "critical")


def test_the_table_names_each_policy_and_the_links_lead_somewhere() -> None:
    table = policies.as_markdown()
    links = re.findall(r"\]\(\.\./([^)]+)\)", table)
    assert len(links) == 2 * len(POLICIES) and all((ROOT / each).is_file() for each in links)
    assert all(f'id="{each.guideline.partition("#")[2]}"' in table for each in POLICIES.values())


def test_every_stack_has_a_data_class_and_regions_that_there_are() -> None:
    from infra import catalog, stack

    for info in catalog.load().values():
        assert info.data_class in SETTINGS["data_classes"], info.id
        if info.built:
            assert set(stack.load_class(info).regions) <= set(SETTINGS["regions"]), info.id
