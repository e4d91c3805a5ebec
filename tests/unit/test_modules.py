"""The interface of a module as a stack sees it, and the mistakes that are found while a stack is built."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import modules, stack, types
from infra.errors import OrreryError

Planted = Callable[..., Path]

VARIABLES = r"""
variable "size_gb" {
  description = "How big. Says \"big\"."
  type        = number
  default     = 20

  validation {
    condition     = var.size_gb > 0
    error_message = "size_gb must be positive."
  }
}

variable "name" {
  description = "What it is called."
  type        = string
}

variable "rules" {
  type = list(object({
    prefix = string
    days   = optional(number, 30)
  }))
  default = []
}

variable "password" {
  type      = string
  sensitive = true
  default   = null
}
"""
OUTPUTS = """
output "arn" {
  description = "Its ARN."
  value       = "x"
}
output "secret" {
  description = "Hidden."
  value       = var.password
  sensitive   = true
}
"""


@pytest.mark.parametrize("name", modules.names())
def test_the_interface_of_every_module_can_be_read(name: str) -> None:
    interface = modules.load(name)
    assert interface.summary and interface.local in ("deploy", "stand-in", "cloud-only")
    assert interface.variables and interface.outputs
    for variable in interface.variables.values():
        assert variable.description, f"{variable.name} has no description"
        if not variable.required:
            assert types.mismatch(variable.default, types.parse(variable.type)) is None or "{" in str(variable.default)
    assert all(output.description for output in interface.outputs.values())
    assert set(interface.local_without) <= set(interface.variables)
    assert (interface.service != "") == (interface.local == "stand-in")


@pytest.mark.parametrize("name", [name for name in modules.names() if modules.load(name).local == "stand-in"])
def test_a_stand_in_takes_and_gives_what_the_module_does(name: str) -> None:
    real = modules.load(name)
    stand_in = modules._parsed(real.path / "standin")
    assert set(stand_in["output"]) == set(real.outputs)
    password = {"standin_password"} if real.service in stack.WITH_PASSWORD else set()
    assert set(stand_in["variable"]) == set(real.variables) | {"standin"} | password
    assert all(
        str(types.parse(stand_in["variable"][key]["type"])) == variable.type for key, variable in real.variables.items()
    )


def test_an_interface_is_read_as_written(module_folder: Planted) -> None:
    module_folder("shelf", VARIABLES, OUTPUTS, versions="configuration_aliases = [aws.a, aws.b]")
    shelf = modules.load("shelf")
    assert list(shelf.variables) == ["name", "password", "rules", "size_gb"], "in alphabetical order"
    assert shelf.variables["name"].required and not shelf.variables["password"].required
    assert shelf.variables["size_gb"].default == 20
    assert shelf.variables["size_gb"].description == 'How big. Says "big".'
    assert shelf.variables["size_gb"].validations[0].message == "size_gb must be positive."
    assert shelf.variables["rules"].type == "list(object({prefix = string, days = optional(number)}))"
    assert shelf.variables["password"].sensitive and shelf.outputs["secret"].sensitive
    assert shelf.aliases == ("a", "b")


@pytest.mark.parametrize(
    ("inputs", "complaint"),
    [
        ({"nam": "x"}, "has no variable 'nam', did you mean 'name'?"),
        ({"name": "x", "zzzz": 1}, "has no variable 'zzzz'"),
        ({}, "needs variable 'name' (string)"),
        ({"name": None}, "needs variable 'name' (string)"),
        ({"name": "x", "size_gb": "20"}, "variable 'size_gb': got a string ('20'), number expected"),
        ({"name": "x", "rules": [{"prefix": 1}]}, "variable 'rules': [0].prefix is a number (1), string expected"),
        ({"name": "x", "rules": [{}]}, "variable 'rules': [0] lacks 'prefix' (string)"),
    ],
)
def test_a_mistake_names_stack_module_instance_and_variable(
    module_folder: Planted, inputs: dict[str, Any], complaint: str
) -> None:
    module_folder("shelf", VARIABLES, OUTPUTS)
    with pytest.raises(OrreryError) as caught:
        modules.check_inputs("70_quasar", "books", modules.load("shelf"), inputs)
    assert caught.value.what.startswith("70_quasar: module 'shelf' ('books')")
    assert complaint in caught.value.what
    assert caught.value.next_step == "see its interface: ./orrery module shelf"


def test_right_inputs_pass(module_folder: Planted) -> None:
    module_folder("shelf", VARIABLES, OUTPUTS)
    given = {"name": "x", "size_gb": 1.5, "rules": [{"prefix": "a"}, {"prefix": "b", "days": 3}], "password": None}
    modules.check_inputs("70_quasar", "books", modules.load("shelf"), given)


def test_an_unknown_module_suggests_the_nearest() -> None:
    with pytest.raises(OrreryError) as caught:
        modules.load("object_stor")
    assert "did you mean 'object_store'?" in caught.value.what
    assert "queue" in caught.value.next_step


def test_broken_hcl_names_the_file(module_folder: Planted) -> None:
    module_folder("shelf", 'variable "a" {', OUTPUTS)
    with pytest.raises(OrreryError) as caught:
        modules.load("shelf")
    assert caught.value.what == "shelf/variables.tf is not valid HCL"
    assert "terraform fmt" in caught.value.next_step


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(
    module_folder: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    module_folder("shelf", VARIABLES, OUTPUTS)
    first = modules.load("shelf")
    reads: list[str] = []
    read = modules._read_hcl
    monkeypatch.setattr(modules, "_read_hcl", lambda files: reads.append(files[0].parent.name) or read(files))
    modules.load.cache_clear()
    assert modules.load("shelf") == first and not reads
    module_folder("shelf", VARIABLES, OUTPUTS.replace('"arn"', '"url"'))
    assert "url" in modules.load("shelf").outputs and reads == ["shelf"]


def test_a_broken_cache_costs_time_and_nothing_else(module_folder: Planted, tmp_path: Path) -> None:
    module_folder("shelf", VARIABLES, OUTPUTS)
    first = modules.load("shelf")
    (kept,) = (tmp_path / "interface-cache" / "interfaces").iterdir()
    kept.write_text('{"variable": ')
    modules.load.cache_clear()
    assert modules.load("shelf") == first
    assert json.loads(kept.read_text())


def test_a_cache_that_cannot_be_written_stops_nothing(
    module_folder: Planted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a-file").touch()
    monkeypatch.setattr(modules, "CACHE", tmp_path / "a-file")
    module_folder("shelf", VARIABLES, OUTPUTS)
    assert "arn" in modules.load("shelf").outputs


def test_tables_escape_what_would_break_them(module_folder: Planted) -> None:
    module_folder("shelf", 'variable "mode" {\n  description = "a | b"\n  type = string\n}\n', OUTPUTS)
    table = modules.as_markdown(modules.load("shelf"))
    assert r"| `mode` | `string` | **required** | a \| b |" in table
    assert "| `arn` | Its ARN. |" in table


def test_the_interface_as_data_can_be_printed_as_json() -> None:
    data = json.loads(json.dumps(modules.as_dict(modules.load("queue"))))
    assert data["path"] == "modules/queue"
    assert data["variables"]["name"]["required"] is True
