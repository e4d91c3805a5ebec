"""The ledger covers what modules use, proves what it claims, and says so wherever it is drawn on."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, ledger, modules
from infra.errors import OrreryError
from infra.paths import MODULES, ROOT

SHELF = 'resource "aws_s3_bucket" "this" {\n  bucket = "b"\n}\n'
CLAIMS = """\
[types.aws_s3_bucket]
claim = "executed"
means = "It keeps objects."
probes = ["test_shelf.py::test_it_keeps_objects"]
gaps = [{ lacks = "It is not fast.", probe = "test_shelf.py::test_it_is_slow" }]

[modules]
"""
PROBES = "def test_it_keeps_objects(): ...\n\n\ndef test_it_is_slow(): ...\n"


def test_the_ledger_is_right() -> None:
    assert ledger.problems() == []


def test_no_resource_block_is_overlooked() -> None:
    """The blocks are found by their shape, which `terraform fmt` gives them; here they are counted by their heads."""
    for name in modules.names():
        files = [path for path in (MODULES / name).rglob("*.tf") if not {"examples", "standin"} & set(path.parts)]
        heads = [head for path in files for head in re.findall(r'^resource "(\w+)"', path.read_text(), re.MULTILINE)]
        assert sorted(each.type for each in ledger.resources(name)) == sorted(heads), name


def test_every_claim_is_there_with_its_meaning_and_its_proof() -> None:
    for entry in ledger.load().values():
        assert entry.claim in ledger.CLAIMS and entry.means.endswith(".") and entry.probes and entry.modules, entry
        assert all(gap.lacks.endswith(".") for gap in entry.gaps)


@pytest.mark.parametrize(
    ("kind", "claim"),
    [
        ("aws_s3_bucket", "executed"),
        ("aws_route53_zone", "accepted"),
        ("aws_db_instance", "stand-in"),
        ("aws_db_subnet_group", "cloud-only"),  # goes with its module, and nothing does its work
        ("aws_security_group", "cloud-only"),  # of the network, and of a module that a stand-in replaces
        ("aws_route53_query_log", "cloud-only"),  # a variable that is left out
        ("google_storage_bucket", "cloud-only"),
    ],
)
def test_what_becomes_of_a_type_follows_from_its_modules(kind: str, claim: str) -> None:
    assert ledger.load()[kind].claim == claim


# ----------------------------------------------------------------------------------------- planted mistakes


@pytest.fixture
def planted(
    module_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[str]]:
    """Return what is wrong with a ledger of one module, one type and two probes, each of which a test may change."""
    monkeypatch.setattr(ledger, "MODULES", tmp_path / "modules")
    monkeypatch.setattr(ledger, "FILE", tmp_path / "ledger.toml")
    monkeypatch.setattr(ledger, "PROBES", tmp_path / "probes")
    (tmp_path / "probes").mkdir()

    def problems(
        claims: str = CLAIMS, main: str = SHELF, probes: str = PROBES, facts: str = 'local = "deploy"'
    ) -> list[str]:
        folder = module_folder("shelf", facts=facts)
        (folder / "main.tf").write_text(main)
        ledger.FILE.write_text(claims)
        (ledger.PROBES / "test_shelf.py").write_text(probes)
        ledger.resources.cache_clear()
        return ledger.problems()

    yield problems
    ledger.resources.cache_clear()


LEFT_OUT = 'local = "cloud-only"'
REASON = '[types]\n[modules.shelf]\nmeans = "Because."\nprobes = ["test_shelf.py::test_it_keeps_objects"]\n'


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        ({}, ""),
        ({"main": SHELF + SHELF.replace("s3_bucket", "sqs_queue")}, "aws_sqs_queue is missing; shelf deploys it"),
        ({"main": SHELF.replace("s3_bucket", "sqs_queue")}, "aws_s3_bucket is deployed locally by no module"),
        ({"claims": CLAIMS.replace('"executed"', '"perfect"')}, "aws_s3_bucket claims to be perfect"),
        ({"claims": CLAIMS.replace('"executed"', '"accepted"')}, "aws_s3_bucket has gaps"),
        ({"claims": CLAIMS.replace("It keeps objects.", "")}, "aws_s3_bucket says nothing"),
        ({"claims": re.sub("probes = .*", "probes = []", CLAIMS)}, "aws_s3_bucket says nothing, or has a claim"),
        ({"claims": re.sub(', probe = "[^"]*"', "", CLAIMS)}, "aws_s3_bucket says nothing, or has a claim or a gap"),
        (
            {"probes": PROBES.replace("slow", "fast")},
            "names the probe test_shelf.py::test_it_is_slow, which is not there",
        ),
        ({"probes": PROBES + "def test_more(): ...\n"}, "the probe test_shelf.py::test_more proves no claim"),
        ({"facts": LEFT_OUT, "claims": "[types]\n[modules]\n"}, "modules.shelf is missing; it is not deployed"),
        ({"claims": CLAIMS + REASON.partition("\n")[2]}, "modules.shelf is deployed locally, or is not there"),
    ],
)
def test_a_mistake_in_the_ledger_is_found(
    planted: Callable[..., list[str]], mistake: dict[str, str], found: str
) -> None:
    wrong = planted(**mistake)
    assert any(found in each for each in wrong) if found else wrong == [], wrong


def test_a_wrong_ledger_is_one_line_that_says_what_and_where(planted: Callable[..., list[str]]) -> None:
    planted(main=SHELF.replace("s3_bucket", "sqs_queue"))
    with pytest.raises(OrreryError, match=r"infra/ledger\.toml: aws_s3_bucket is deployed locally by no module"):
        ledger.load()


def test_a_type_that_is_left_out_keeps_the_reason_of_its_module(planted: Callable[..., list[str]]) -> None:
    assert planted(facts=LEFT_OUT, claims=REASON, probes=PROBES.partition("\n")[0]) == []
    entry = ledger.load()["aws_s3_bucket"]
    assert (entry.claim, entry.means) == ("cloud-only", "Because.")
    assert entry.probes == (ledger.LEFT_OUT, "test_shelf.py::test_it_keeps_objects")


# --------------------------------------------------------------------------------------- where it is drawn on


def test_the_json_holds_every_type_and_says_its_format() -> None:
    document = json.loads((ROOT / "docs" / "ledger.json").read_text())
    assert document["format"] == ledger.FORMAT
    assert document["types"].keys() == ledger.load().keys()
    assert sum(document["summary"].values()) == len(document["types"])
    assert set(document["types"]["aws_s3_bucket"]) == {"claim", "gaps", "means", "modules", "probes"}


def test_deploy_counts_as_executed_what_the_ledger_says_is() -> None:
    written: dict[str, Any] = tomllib.loads(ledger.FILE.read_text())["types"]
    assert ledger.executed() == {kind for kind, entry in written.items() if entry["claim"] == "executed"}
    assert "aws_s3_bucket" in ledger.executed() and "aws_route53_zone" not in ledger.executed()


@pytest.mark.parametrize(
    ("stack", "there", "missing"),
    [
        (
            "01_meteor",
            {"aws_s3_bucket_notification", "aws_db_instance", "aws_vpc"},
            {"aws_route53_zone", "aws_s3_object"},
        ),
        (
            "14_blackhole",
            {"aws_kms_replica_key", "aws_route53_query_log"},
            {"aws_sqs_queue", "aws_secretsmanager_secret_rotation"},
        ),
    ],
)
def test_a_stack_shows_the_types_that_it_makes_and_no_other(stack: str, there: set[str], missing: set[str]) -> None:
    shown = {entry.type for entry in ledger.of_stack(catalog.built(stack))}
    assert there <= shown and not missing & shown


@pytest.mark.parametrize(
    ("head", "inputs", "made"),
    [
        ("", {}, True),
        ("  count = var.one == null ? 0 : 1\n", {}, False),
        ("  count = var.one == null ? 0 : 1\n", {"one": "${module.x.y}"}, True),
        ("  count = var.one == null ? 1 : 0\n", {}, True),
        ("  count = var.one == null ? 1 : 0\n", {"one": "x"}, False),
        ("  count = var.on ? 1 : 0\n", {}, True),
        ("  count = var.on ? 1 : 0\n", {"on": False}, False),
        ("  for_each = var.many\n", {}, False),
        ("  for_each = var.many\n", {"many": {"a": "b"}}, True),
    ],
)
def test_whether_a_resource_is_made_follows_from_the_inputs(
    planted: Callable[..., list[str]], module_folder: Callable[..., Path], head: str, inputs: dict[str, Any], made: bool
) -> None:
    planted(main=SHELF.replace("{\n", "{\n" + head, 1))
    variables = 'variable "one" {\n  type = string\n  default = null\n}\n'
    variables += 'variable "on" {\n  type = bool\n  default = true\n}\n'
    variables += 'variable "many" {\n  type = map(string)\n  default = {}\n}\n'
    folder = module_folder("shelf", variables=variables)
    (resource,) = ledger.resources("shelf")
    assert ledger._is_made(resource, modules.load(folder.name), inputs) is made
