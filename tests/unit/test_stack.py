"""The vocabulary of stack.py: what it writes for Terraform, and how it answers mistakes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra import catalog, stack, targets
from infra.catalog import StackInfo
from infra.errors import OrreryError
from infra.paths import ROOT
from infra.stack import Ref

Plant = Callable[..., StackInfo]
URLS = {"us-east-1": "http://127.0.0.1:4571", "eu-west-1": "http://127.0.0.1:4572"}
BUILT = [info.id for info in catalog.load().values() if info.built]


def local_target() -> targets.Target:
    environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:4570", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}
    return targets.local(environment, URLS)


TARGETS = {"offline": targets.offline, "local": local_target, "aws": lambda: targets.Target("aws", "210987654321")}


def synthesised(info: StackInfo, tmp_path: Path, target: str = "offline") -> dict[str, Any]:
    return stack.create(info, TARGETS[target](), tmp_path / "synth")[1]


def small(body: str, regions: str = '("us-east-1", "eu-west-1")') -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return (
        "from infra.stack import Stack\n\n\nclass Planted(Stack):\n"
        f"    regions = {regions}\n\n    def build(self):\n{lines}\n"
    )


# ------------------------------------------------------------------------------------ every built stack


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.parametrize("name", BUILT)
@pytest.mark.usefixtures("light_packages")
def test_a_stack_synthesised_twice_is_the_same_bytes(name: str, target: str, tmp_path: Path) -> None:
    first, second = (json.dumps(synthesised(catalog.built(name), tmp_path, target)) for _ in range(2))
    assert first == second
    assert "TfToken" not in first, "an unresolved token of the CDK"


SYNTHESISE = """
import json, sys
from pathlib import Path
from infra import catalog, cdk, stack, targets
from infra.package import Package
stack.build_package = lambda name, sources=(), *, python, machine: Package(f"/packages/{name}.zip", "c2hh", python, 9)
local = targets.local({"AWS_ENDPOINT_URL": "x", "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}, {})
made = {}
for info in catalog.load().values():
    for target in (targets.offline(), local):
        if info.built:
            folder = Path(sys.argv[1]) / info.slug / target.name
            made[f"{info.id} {target.name}"] = stack.create(info, target, folder)[1]
print(json.dumps({"cdk": cdk.load().__name__, "made": made}))
"""


def test_the_cdk_and_its_successor_write_the_same_for_every_stack(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-P", "-c", SYNTHESISE, str(tmp_path / "out")],
            env={**os.environ, "PYTHONPATH": str(ROOT), "ORRERY_CDK": package},
            stdout=subprocess.PIPE,
            text=True,
        )
        for package in ("cdktf", "cdktn")
    ]
    old, new = (json.loads(process.communicate(timeout=120)[0]) for process in processes)
    assert (old["cdk"], new["cdk"]) == ("cdktf", "cdktn")
    assert len(old["made"]) == 2 * len(BUILT)
    assert old["made"] == new["made"]


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.usefixtures("light_packages")
def test_each_provider_tags_what_it_makes(name: str, tmp_path: Path) -> None:
    info = catalog.built(name)
    providers = synthesised(info, tmp_path)["provider"]["aws"]
    assert [provider.get("alias") for provider in providers][0] is None
    for provider in providers:
        assert provider["default_tags"] == [
            {
                "tags": {
                    "stack": info.slug,
                    "owner": info.owner,
                    "data-class": info.data_class,
                    "cost-centre": info.cost_centre,
                    "managed-by": "orrery",
                }
            }
        ]


@pytest.mark.parametrize("name", BUILT)
@pytest.mark.usefixtures("light_packages")
def test_nothing_in_a_stack_for_aws_knows_the_local_cloud(name: str, tmp_path: Path) -> None:
    text = json.dumps(synthesised(catalog.built(name), tmp_path, "aws"))
    for trace in (
        "127.0.0.1",
        "localhost",
        "standin",
        'force_destroy": true',
        "skip_credentials",
        targets.LOCAL_ACCOUNT,
    ):
        assert trace not in text
    assert '"use_lockfile": true' in text


# -------------------------------------------------------------------------------- modules and providers


def test_another_clouds_provider_comes_pinned_and_with_its_settings(plant: Plant, tmp_path: Path) -> None:
    lake = dict.fromkeys(["log_analytics_workspace_id", "resource_group", "subnet_id", "key_vault_id", "key_url"], "x")
    lake |= {"name": "lake", "container": "landing", "location": "westeurope"}
    info = plant("70_quasar", small(f"self.module('lake', 'adls_container', **{lake})"))
    made = synthesised(info, tmp_path)
    assert made["terraform"]["required_providers"]["azurerm"] == stack.PROVIDERS["azurerm"]
    assert made["provider"]["azurerm"] == [stack.PROVIDER_SETTINGS["azurerm"]]
    assert "azurerm" not in synthesised(info, tmp_path, "local")["provider"]


def test_regions_become_providers_and_modules_are_handed_theirs(plant: Plant, tmp_path: Path) -> None:
    info = plant(
        "70_quasar",
        small(
            "self.module('home', 'topic', name='a', kms_key_arn='k')\n"
            "self.module('away', 'topic', region='eu-west-1', name='b', kms_key_arn='k')\n"
            "bucket = {'name': 'x', 'arn': 'y', 'kms_key_arn': 'z'}\n"
            "self.module('both', 'bucket_replication', providers={'a': 'us-east-1', 'b': 'eu-west-1'},\n"
            "            account_id='123456789012', name='r', a=bucket, b=bucket)"
        ),
    )
    made = synthesised(info, tmp_path)
    home, away = made["provider"]["aws"]
    assert (home["region"], away["region"], away["alias"]) == ("us-east-1", "eu-west-1", "eu_west_1")
    assert "alias" not in home
    modules = made["module"]
    assert "providers" not in modules["home"]
    assert modules["away"]["providers"] == {"aws": "aws.eu_west_1"}
    assert modules["both"]["providers"] == {"aws.a": "aws", "aws.b": "aws.eu_west_1"}
    assert (tmp_path / "synth" / modules["home"]["source"]).resolve() == ROOT / "modules" / "topic"


@pytest.mark.parametrize(
    ("call", "complaint", "step"),
    [
        ("self.module('a', 'topik', name='x')", "there is no module 'topik', did you mean 'topic'?", "use one of"),
        ("self.module('a', 'topic', nam='x', kms_key_arn='k')", "70_quasar: module 'topic' ('a') has no variable 'nam'", "module topic"),
        ("self.module('a', 'topic', name='x')", "needs variable 'kms_key_arn' (string)", "module topic"),
        ("self.module('a', 'topic', name=3, kms_key_arn='k')", "variable 'name': got a number (3), string expected", "module topic"),
        ("self.module('a', 'topic', name='x', kms_key_arn='k').arm", "has no output 'arm', did you mean 'arn'?", "its outputs are"),
        ("self.module('A-b', 'topic', name='x', kms_key_arn='k')", "'A-b' is no good name", "lower case"),
        ("for _ in '12': self.module('a', 'topic', name='x', kms_key_arn='k')", "module name 'a' is used twice", "rename"),
        ("self.module('a', 'topic', region='mars-1', name='x', kms_key_arn='k')", "'mars-1' is not among the stack's regions", "regions"),
        ("self.module('a', 'bucket_replication', account_id='1', name='r', a={'name':'','arn':'','kms_key_arn':''}, b={'name':'','arn':'','kms_key_arn':''})", "needs providers for: a, b", "providers="),
        ("self.module('a', 'topic', providers={'z': 'us-east-1'}, name='x', kms_key_arn='k')", "needs providers for: none", "providers="),
        ("for _ in '12': self.output('o', 'x', 'y')", "output 'o' is declared twice", "rename"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_the_stacks_own_words(
    plant: Plant, tmp_path: Path, call: str, complaint: str, step: str
) -> None:
    info = plant("70_quasar", small(call))
    with pytest.raises(OrreryError) as caught:
        synthesised(info, tmp_path)
    assert complaint in caught.value.what and "\n" not in caught.value.what
    assert step in caught.value.next_step


def test_outputs_of_modules_are_references(plant: Plant, tmp_path: Path) -> None:
    info = plant(
        "70_quasar",
        small(
            "a = self.module('a', 'topic', name='x', kms_key_arn='k')\n"
            "b = self.module('b', 'topic', name=f'{a.name}-b', kms_key_arn=a.arn, depends_on=[a])\n"
            "self.output('arn', b.arn, 'The ARN.', sensitive=True)"
        ),
    )
    made = synthesised(info, tmp_path)
    assert made["module"]["b"]["name"] == "${module.a.name}-b"
    assert made["module"]["b"]["kms_key_arn"] == "${module.a.arn}"
    assert made["module"]["b"]["depends_on"] == ["module.a"]
    assert made["output"]["arn"] == {"value": "${module.b.arn}", "description": "The ARN.", "sensitive": True}


def test_a_part_of_an_output_is_a_reference_and_looping_over_it_is_refused() -> None:
    ids = Ref("${module.name.health_check_ids}")
    assert ids["users/eu-west-1"] == '${module.name.health_check_ids["users/eu-west-1"]}'
    assert ids[0][1] == "${module.name.health_check_ids[0][1]}"
    with pytest.raises(TypeError, match="can't be looped over"):
        list(ids)


def test_none_means_not_given(plant: Plant, tmp_path: Path) -> None:
    info = plant("70_quasar", small("self.module('a', 'topic', name='x', kms_key_arn='k', subscriptions=None)"))
    assert "subscriptions" not in synthesised(info, tmp_path)["module"]["a"]


def test_a_name_carries_the_account_only_where_it_must_be_unique_in_the_world(plant: Plant, tmp_path: Path) -> None:
    info = plant("70_quasar", small("pass"))
    built = stack.load_class(info)(info, targets.offline(), tmp_path)
    assert built.physical("users") == "orrery-70-quasar-users"
    assert built.physical("users", globally=True) == f"orrery-70-quasar-users-{targets.OFFLINE_ACCOUNT}"


# ------------------------------------------------------------------------------------- the local target

WALL = """
variable "name" {
  type = string
}
variable "log" {
  type    = string
  default = null
}
"""


def test_what_is_cloud_only_is_left_out_locally_and_its_outputs_are_none(
    plant: Plant, module_folder: Callable[..., Path], tmp_path: Path
) -> None:
    module_folder("wall", WALL, 'output "arn" { value = "x" }', 'local = "cloud-only"')
    module_folder("door", WALL, 'output "arn" { value = "x" }')
    info = plant(
        "70_quasar",
        small(
            "wall = self.module('north', 'wall', name='w')\n"
            "self.module('door', 'door', name='d', log=wall.arn, depends_on=[wall])\n"
            "self.output('wall', wall.arn, 'Only where there is one.')"
        ),
    )
    built, made = stack.create(info, local_target(), tmp_path / "synth")
    assert list(made["module"]) == ["door"]
    assert "log" not in made["module"]["door"] and "depends_on" not in made["module"]["door"]
    assert "output" not in made
    assert built.skipped == ["north (wall)"]
    _, made = stack.create(info, targets.offline(), tmp_path / "cloud")
    assert made["module"]["door"]["log"] == "${module.north.arn}"
    assert made["module"]["door"]["depends_on"] == ["module.north"]
    assert made["output"]["wall"]["value"] == "${module.north.arn}"


def test_an_input_that_the_local_cloud_cannot_carry_is_dropped_and_reported(
    plant: Plant, module_folder: Callable[..., Path], tmp_path: Path
) -> None:
    module_folder("wall", WALL, "", 'local = "deploy"\n[local_without]\nlog = "the emulator has none"')
    info = plant("70_quasar", small("self.module('north', 'wall', name='w', log='group')"))
    built, made = stack.create(info, local_target(), tmp_path / "synth")
    assert "log" not in made["module"]["north"]
    assert built.skipped == ["log of north"]
    built, made = stack.create(info, targets.offline(), tmp_path / "cloud")
    assert made["module"]["north"]["log"] == "group"
    assert built.skipped == []


def test_a_stand_in_takes_the_modules_place_and_its_password_is_ephemeral(
    plant: Plant, module_folder: Callable[..., Path], tmp_path: Path
) -> None:
    module_folder("wall", WALL, 'output "host" { value = "x" }', 'local = "stand-in"\nservice = "postgres"')
    info = plant("70_quasar", small("self.output('host', self.module('north', 'wall', name='w').host, 'Where.')"))
    built, made = stack.create(info, local_target(), tmp_path / "synth")
    block = made["module"]["north"]
    assert block["source"].endswith("wall/standin")
    assert block["standin"] == "${var.north_standin}"
    assert block["standin_password"] == "${var.north_standin_password}"
    assert made["variable"]["north_standin_password"] == {"type": "string", "sensitive": True, "ephemeral": True}
    assert made["variable"]["north_standin"]["type"] == stack.STAND_INS["postgres"]
    assert built.stand_ins == {"north": "postgres"}
    assert made["output"]["host"]["value"] == "${module.north.host}"
    built, made = stack.create(info, targets.offline(), tmp_path / "cloud")
    assert "variable" not in made and "standin" not in made["module"]["north"]
    assert made["module"]["north"]["source"].endswith("modules/wall")


# --------------------------------------------------------------------------------------- broken stacks

HEAD = "from infra.stack import Stack\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (HEAD + "class A(Stack)\n    pass\n", "stacks/70_quasar/stack.py, line 2: SyntaxError"),
        (HEAD + "import no_such_package\n", "stacks/70_quasar/stack.py, line 2: ModuleNotFoundError: No module named"),
        (HEAD + "class A(Stack):\n    def build(self):\n        1 / 0\n", "line 4: ZeroDivisionError: division by zero"),
        (HEAD + "class A(Stack):\n    def build(self):\n        raise ValueError('one\\ntwo')\n", "line 4: ValueError: one two"),
        (HEAD + "class A(Stack):\n    pass\n", "A has no build()"),
        (HEAD + "class A(Stack):\n    pass\nclass B(Stack):\n    pass\n", "stack.py defines 2 stacks"),
        (HEAD, "stack.py defines 0 stacks"),
    ],
)  # fmt: skip
def test_a_broken_stack_is_one_line_that_names_file_and_line(
    plant: Plant, tmp_path: Path, code: str, expected: str
) -> None:
    info = plant("70_quasar", code)
    with pytest.raises(OrreryError) as caught:
        synthesised(info, tmp_path)
    assert expected in caught.value.what and "\n" not in caught.value.what
    assert caught.value.next_step


def test_a_missing_stack_py_says_so(plant: Plant, tmp_path: Path) -> None:
    info = plant("70_quasar", "")
    (info.path / "stack.py").unlink()
    with pytest.raises(OrreryError, match=r"70_quasar/stack\.py does not exist"):
        synthesised(info, tmp_path)


def test_the_traceback_is_kept_for_verbose(plant: Plant, tmp_path: Path) -> None:
    info = plant("70_quasar", small("helper = lambda: {}['gone']\nhelper()"))
    with pytest.raises(OrreryError) as caught:
        synthesised(info, tmp_path)
    assert "KeyError: 'gone'" in caught.value.what
    assert "Traceback" in caught.value.details and "stack.py" in caught.value.details


def test_a_stack_imports_its_own_package(plant: Plant, tmp_path: Path) -> None:
    info = plant("70_quasar", "import quasar_parts\n" + small("self.output('x', quasar_parts.NAME, 'd')"))
    (info.path / "src" / "quasar_parts").mkdir(parents=True)
    (info.path / "src" / "quasar_parts" / "__init__.py").write_text("NAME = 'from src'\n")
    assert synthesised(info, tmp_path)["output"]["x"]["value"] == "from src"
