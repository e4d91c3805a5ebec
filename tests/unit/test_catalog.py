"""Forty stacks, and every way in which a user may name one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra import catalog
from infra.errors import OrreryError


def test_there_are_forty_twenty_in_each_track() -> None:
    stacks = catalog.load().values()
    numbers = {track: [info.number for info in stacks if info.track == track] for track in (1, 2)}
    assert numbers == {1: [f"{n:02}" for n in range(1, 21)], 2: [f"{n:02}" for n in range(20)]}
    assert all(info.level.rstrip("+") in catalog.LEVELS for info in stacks)
    assert all(info.title and info.domain and info.summary and info.components for info in stacks)
    assert len({info.slug for info in stacks}) == 40


def test_what_is_built_has_its_files() -> None:
    built = [info for info in catalog.load().values() if info.built]
    assert {"01_meteor", "14_blackhole"} <= {info.id for info in built}
    assert all((info.path / "stack.py").exists() for info in built)
    assert all(info.data and all(source.licence for source in info.data) for info in built)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14_blackhole", "14_blackhole"),
        ("14_BlackHole", "14_blackhole"),
        ("14", "14_blackhole"),
        ("blackhole", "14_blackhole"),
        ("BLACKHOLE", "14_blackhole"),
        ("14-blackhole", "14_blackhole"),
        ("stacks/14_blackhole/", "14_blackhole"),
        (" meteor ", "01_meteor"),
        ("signals/15_blackhole", "signals/15_blackhole"),
        ("signals/15", "signals/15_blackhole"),
        ("signals/Blackhole", "signals/15_blackhole"),
        # in both tracks under the same name: track 1
        ("08_pulsar", "08_pulsar"),
        ("quasar", "09_quasar"),
        ("signals/08_pulsar", "signals/08_pulsar"),
        # only track 2 has it
        ("aurora", "signals/00_aurora"),
        ("00", "signals/00_aurora"),
        ("19_supernova", "signals/19_supernova"),
        ("15_blackhole", "signals/15_blackhole"),
    ],
)
def test_a_stack_is_found_however_it_is_spelled(text: str, expected: str) -> None:
    assert catalog.resolve(text).id == expected


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("14_blakhole", ["14_blackhole"]),
        ("meteors", ["01_meteor"]),
        ("pulsr", ["08_pulsar"]),
        ("signals/auror", ["signals/00_aurora"]),
    ],
)
def test_an_unknown_name_lists_the_nearest(text: str, candidates: list[str]) -> None:
    with pytest.raises(OrreryError) as caught:
        catalog.resolve(text)
    assert repr(text) in caught.value.what
    assert all(name in caught.value.what for name in candidates)
    assert "make list" in caught.value.next_step


def test_nonsense_lists_no_candidates() -> None:
    with pytest.raises(OrreryError) as caught:
        catalog.resolve("zzzzzzzz")
    assert "nearest" not in caught.value.what


@pytest.mark.parametrize("text", ["", "  ", "/"])
def test_no_name_at_all_says_so(text: str) -> None:
    with pytest.raises(OrreryError, match="no stack is named"):
        catalog.resolve(text)


def test_a_stack_to_come_says_what_can_be_deployed() -> None:
    with pytest.raises(OrreryError) as caught:
        catalog.built("galaxy")
    assert caught.value.what == "12_galaxy is still to come"
    assert "01_meteor" in caught.value.next_step


def test_a_name_that_two_stacks_of_one_track_share_names_both(plant: Callable[..., catalog.StackInfo]) -> None:
    plant("70_twin", "")
    plant("71_twin", "")
    with pytest.raises(OrreryError) as caught:
        catalog.resolve("twin")
    assert "70_twin, 71_twin" in caught.value.what
    assert catalog.resolve("71").id == "71_twin"


def test_a_folder_takes_the_place_of_the_catalogues_entry(
    plant: Callable[..., catalog.StackInfo], stack_toml: str
) -> None:
    before = len(catalog.load())
    info = plant("12_galaxy", "", stack_toml)
    assert info.built
    assert len(catalog.load()) == before


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('colour = "red"', "colour"),
        ("title", "line"),
        ('[[data]]\nname = "x"\npublisher = "y"', "licence"),
    ],
)
def test_a_broken_stack_toml_is_named_with_its_field(
    plant: Callable[..., catalog.StackInfo], stack_toml: str, line: str, complaint: str
) -> None:
    with pytest.raises(OrreryError) as caught:
        plant("70_broken", "", f"{stack_toml}{line}\n")
    assert "70_broken" in caught.value.what and "stack.toml" in caught.value.what
    assert complaint in caught.value.what
    assert "\n" not in caught.value.what


def test_a_missing_field_is_named(plant: Callable[..., catalog.StackInfo], stack_toml: str) -> None:
    without = "".join(line for line in stack_toml.splitlines(True) if not line.startswith("domain"))
    with pytest.raises(OrreryError, match=r"stack\.toml.*domain"):
        plant("70_broken", "", without)


def test_the_table_of_the_readme_holds_all_and_marks_the_built(stacks: Path) -> None:
    table = catalog.as_markdown()
    assert sum(line.startswith("| ") and "stack" not in line for line in table.splitlines()) == len(catalog.load())
    assert "**[" not in table
    assert table.endswith(f"Built so far: 0 of {len(catalog.load())} (in bold).")


def test_slugs_suit_cloud_resources() -> None:
    slugs = {info.id: info.slug for info in catalog.load().values()}
    assert slugs["14_blackhole"] == "14-blackhole"
    assert slugs["signals/00_aurora"] == "signals-00-aurora"
