"""Every module has the same shape: a described, ordered interface and a README with the tested example."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from infra import modules
from infra.paths import MODULES

NAMES = modules.names()
README_EXAMPLE = re.compile(r"^## Example\n.*?^```hcl\n(.*?)^```$", re.M | re.S)
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.M | re.S)
STAND_IN_EXTRAS = {"standin", "standin_password"}


def declared(kind: str, folder: Path) -> list[str]:
    """Return the names of the variables or outputs of a module, in the order of their file."""
    return re.findall(rf'^{kind} "(\w+)"', (folder / f"{kind}s.tf").read_text(), re.M)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["variable", "output"])
def test_interface_is_in_alphabetical_order(name: str, kind: str) -> None:
    names = declared(kind, MODULES / name)
    assert names == sorted(names)


@pytest.mark.parametrize("name", NAMES)
def test_interface_is_described(name: str) -> None:
    interface = modules.load(name)
    entries = [*interface.variables.values(), *interface.outputs.values()]
    assert entries
    assert [entry.name for entry in entries if not entry.description.endswith(".")] == []


@pytest.mark.parametrize("name", NAMES)
def test_variables_and_outputs_stand_in_their_files(name: str) -> None:
    pattern = re.compile(r'^(variable|output) "', re.M)
    elsewhere = [
        path.name
        for path in (MODULES / name).glob("*.tf")
        if {f"{kind}s.tf" for kind in pattern.findall(path.read_text())} - {path.name}
    ]
    assert elsewhere == []


@pytest.mark.parametrize("name", NAMES)
def test_module_toml_says_what_runs_locally(name: str) -> None:
    facts = tomllib.loads((MODULES / name / "module.toml").read_text())
    assert set(facts) <= {"local", "local_without", "picture", "provider", "service", "summary"}
    assert facts["local"] in ("deploy", "stand-in", "cloud-only")
    assert re.fullmatch(r"[A-Z].{19,139}\.", facts["summary"]), "summary: one sentence of 20 to 140 characters"
    assert set(facts.get("local_without", {})) <= set(modules.load(name).variables)
    has_stand_in = (MODULES / name / "standin" / "main.tf").exists()
    assert (facts["local"] == "stand-in") == ("service" in facts) == has_stand_in


@pytest.mark.parametrize("name", NAMES)
def test_versions_are_pinned_alike(name: str) -> None:
    text = (MODULES / name / "versions.tf").read_text()
    assert 'required_version = ">= 1.11.0"' in text
    if modules.load(name).provider == "aws":
        assert re.search(r'version\s+= "~> 5\.100"', text)


@pytest.mark.parametrize("name", NAMES)
def test_readme_shows_the_tested_example(name: str) -> None:
    readme = (MODULES / name / "README.md").read_text()
    shown = README_EXAMPLE.search(readme)
    assert shown, "README.md has no `## Example` with an ```hcl block"
    assert shown[1] == (MODULES / name / "examples" / "basic" / "main.tf").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_all_hcl_in_the_readme_is_tested(name: str) -> None:
    assert untested_hcl((MODULES / name / "README.md").read_text(), MODULES / name / "examples") == []


def untested_hcl(readme: str, examples: Path) -> list[str]:
    """Return the fenced blocks that are HCL, or say not what they are, and are none of the examples."""
    tested = [path.read_text() for path in examples.glob("*/main.tf")]
    return [
        text
        for language, text in FENCED.findall(readme)
        if language in ("", "hcl", "terraform", "tf") and text not in tested
    ]


def test_hcl_that_is_no_example_is_seen() -> None:
    readme = (MODULES / "queue" / "README.md").read_text()
    for fence in ("```hcl", "```", "  ```terraform"):
        planted = 'module "orders" {\n  source = "../queue"\n}\n'
        more = f"{readme}\n{fence}\n{planted}{fence.split('`')[0]}```\n"
        assert untested_hcl(more, MODULES / "queue" / "examples") == [planted]
    changed = readme.replace("max_receive_count    = 3", "max_receive_count    = 4")
    assert len(untested_hcl(changed, MODULES / "queue" / "examples")) == 1


@pytest.mark.parametrize("name", NAMES)
def test_readme_has_room_for_the_interface(name: str) -> None:
    readme = (MODULES / name / "README.md").read_text()
    assert readme.count("<!-- BEGIN interface -->") == 1
    assert 0 < readme.index("<!-- BEGIN interface -->") < readme.index("<!-- END interface -->")


STAND_INS = sorted(path.parent.parent.name for path in MODULES.glob("*/standin/main.tf"))


@pytest.mark.parametrize("name", STAND_INS)
def test_stand_in_takes_the_modules_place(name: str) -> None:
    real, stand_in = MODULES / name, MODULES / name / "standin"
    assert declared("output", stand_in) == declared("output", real)
    assert set(declared("variable", stand_in)) - STAND_IN_EXTRAS == set(declared("variable", real))


def test_examples_hold_no_provider() -> None:
    with_provider = [
        str(path.relative_to(MODULES))
        for path in MODULES.glob("*/examples/*/*.tf")
        if re.search(r'^provider "', path.read_text(), re.M)
    ]
    assert with_provider == []
