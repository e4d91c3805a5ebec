"""Each module's own tests (``modules/*/tests/*.tftest.hcl``): wrong inputs are refused with a reason."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from infra import modules
from infra.paths import MODULES
from infra.terraform import find_terraform
from tests.modules.terraform_cli import copy_of_modules, environment, run

pytestmark = pytest.mark.terraform


@pytest.mark.parametrize("name", modules.names())
def test_module_passes_its_own_tests(name: str, tmp_path: Path) -> None:
    module = copy_of_modules(tmp_path) / name
    assert list(module.glob("tests/*.tftest.hcl")), f"{name} has no tests/*.tftest.hcl"
    run(module, "init", "-backend=false", "-input=false", "-no-color")
    printed = run(module, "test", "-no-color")
    assert "Success!" in printed


@pytest.mark.parametrize("name", modules.names())
def test_every_validation_has_a_test(name: str) -> None:
    tests = "".join(path.read_text() for path in (MODULES / name / "tests").glob("*.tftest.hcl"))
    lists = re.findall(r"expect_failures\s*=\s*\[([^\]]*)\]", tests)
    tested = Counter(found for listed in lists for found in re.findall(r"var\.(\w+)", listed))
    rules = {variable.name: len(variable.validations) for variable in modules.load(name).variables.values()}
    assert {variable: count for variable, count in rules.items() if tested[variable] < count} == {}


def test_hcl_is_formatted() -> None:
    command = [*find_terraform(), "fmt", "-check", "-recursive", "-no-color", str(MODULES)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"run: terraform fmt -recursive modules\n{done.stdout}{done.stderr}"
