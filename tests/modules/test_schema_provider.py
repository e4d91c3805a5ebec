"""Modules of other clouds are checked against their providers' schemas, and a mistake is told with its file and line."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from infra import modules
from infra.stack import PROVIDER_SETTINGS, PROVIDERS
from tests.modules.terraform_cli import TerraformError, copy_of_modules, run
from tests.support.schema_provider.bindings import SCHEMAS, Bindings, as_text, used_resources
from tests.support.schema_provider.mirror import PROVIDER

OTHERS = [name for name in modules.names() if modules.load(name).provider != "aws"]
EXCERPTS = {file.stem: json.loads(file.read_text()) for file in SCHEMAS.glob("*.json")}


@pytest.mark.parametrize("provider", sorted(EXCERPTS))
def test_the_schemas_are_of_the_versions_that_stacks_use(provider: str) -> None:
    excerpt = EXCERPTS[provider]
    assert {"source": excerpt["source"], "version": excerpt["version"]} == PROVIDERS[provider]


@pytest.mark.parametrize("provider", sorted(EXCERPTS))
def test_the_schemas_hold_what_modules_use_and_no_more(provider: str) -> None:
    assert set(EXCERPTS[provider]["resource_schemas"]) == used_resources(provider), "write them anew: bindings.py"


def test_every_other_provider_has_a_schema() -> None:
    assert {modules.load(name).provider for name in OTHERS} == EXCERPTS.keys() == PROVIDERS.keys() - {"aws"}


def test_it_is_no_program_to_start_by_hand() -> None:
    command = [sys.executable, "-P", str(PROVIDER), str(SCHEMAS / "google.json")]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "Terraform" in done.stderr


# ---------------------------------------------------------------------------------------------- with Terraform

BUCKET = """
terraform {
  required_providers {
    google = {
      source = "hashicorp/google"
    }
  }
}

resource "google_storage_bucket" "data" {
  name     = "orrery-test"
  location = "EU"

  versioning {
    enabled = true
  }
}
"""
MISTAKES = {
    "an unknown argument": ('location = "EU"', 'location = "EU"\n  uniform_access = true', "uniform_access"),
    "a missing argument": ('  location = "EU"\n', "", '"location" is required'),
    "an unknown block": ("versioning {", "versions {", '"versions" are not expected here'),
    "a missing argument of a block": ("    enabled = true\n", "", '"enabled" is required'),
    "a block too many": (
        "  versioning {",
        "  versioning {\n    enabled = false\n  }\n\n  versioning {",
        "No more than 1",
    ),
    "a wrong type": ('location = "EU"', 'location = ["EU"]', "string required"),
    "a resource that is none": ("google_storage_bucket", "google_storage_bukket", "google_storage_bukket"),
}


def init(folder: Path, text: str) -> None:
    (folder / "main.tf").write_text(text)
    run(folder, "init", "-backend=false", "-input=false", "-no-color")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose configuration is right, and initialised."""
    made = tmp_path_factory.mktemp("bucket")
    init(made, BUCKET)
    run(made, "validate", "-no-color")
    return made


@pytest.mark.terraform
@pytest.mark.parametrize("name", MISTAKES)
def test_a_planted_mistake_is_told_with_file_and_line(name: str, folder: Path) -> None:
    old, new, told = MISTAKES[name]
    (folder / "main.tf").write_text(BUCKET.replace(old, new))
    with pytest.raises(TerraformError) as error:
        run(folder, "validate", "-no-color")
    assert told in str(error.value)
    assert re.search(r"on main\.tf line \d+", str(error.value))


@pytest.mark.terraform
def test_it_plans_nothing_without_a_mock(folder: Path) -> None:
    (folder / "main.tf").write_text(BUCKET)
    with pytest.raises(TerraformError, match="PlanResourceChange method is not supported"):
        run(folder, "plan", "-no-color", "-input=false")


USES = {  # a provider that nothing uses is not looked at
    "azurerm_user_assigned_identity": {"name": "x", "location": "westeurope", "resource_group_name": "x"},
    "databricks_cluster_policy": {"name": "x"},
    "google_storage_bucket": {"name": "x", "location": "EU"},
    "snowflake_account_role": {"name": "X"},
}


@pytest.mark.terraform
def test_what_stacks_set_for_each_provider_is_valid(tmp_path: Path) -> None:
    root: dict[str, Any] = {
        "terraform": {"required_providers": {name: PROVIDERS[name] for name in EXCERPTS}},
        "provider": {name: [PROVIDER_SETTINGS.get(name, {})] for name in EXCERPTS},
        "resource": {name: {"x": arguments} for name, arguments in USES.items()},
    }
    (tmp_path / "main.tf.json").write_text(json.dumps(root))
    run(tmp_path, "init", "-backend=false", "-input=false", "-no-color")
    assert "Success!" in run(tmp_path, "validate", "-no-color")
    for name in EXCERPTS:
        planted = root | {"provider": root["provider"] | {name: [{"feature": [{}]}]}}
        (tmp_path / "main.tf.json").write_text(json.dumps(planted, indent=1))
        with pytest.raises(TerraformError, match=rf"in provider\.{name}\[0\]"):
            run(tmp_path, "validate", "-no-color")


@pytest.mark.terraform
@pytest.mark.parametrize("name", OTHERS)
def test_modules_of_other_clouds_are_valid(name: str, tmp_path: Path) -> None:
    module = copy_of_modules(tmp_path) / name
    run(module, "init", "-backend=false", "-input=false", "-no-color")
    assert "Success!" in run(module, "validate", "-no-color")


# ------------------------------------------------------------------------------------------ reading the bindings

SOURCE = """
export function bucketRuleToHclTerraform(struct?: BucketRule): any {
  const attrs = {
    prefix: {
      value: cdktf.listMapperHcl(cdktf.stringToHclTerraform, false)(struct!.prefix),
      isBlock: false,
      type: "set",
      storageClassType: "stringList",
    },
  };
}
export class BucketRuleOutputReference extends cdktf.ComplexObject {
  // prefix - computed: true, optional: true, required: false
  private _prefix?: string[];
  public get prefix() {
    return cdktf.Fn.tolist(this.getListAttribute('prefix'));
  }
}
export class BucketOwnerOutputReference extends cdktf.ComplexObject {
  // email - computed: true, optional: false, required: false
  public get email() {
    return this.getStringAttribute('email');
  }
}
export class Bucket extends cdktf.TerraformResource {
  // name - computed: false, optional: false, required: true
  private _name?: string;
  public get name() {
    return this.getStringAttribute('name');
  }
  // owner - computed: true, optional: false, required: false
  private _owner = new BucketOwnerList(this, "owner", false);
  // rule - computed: false, optional: false, required: true
  private _rule = new BucketRuleList(this, "rule", false);
  // first - computed: false, optional: true, required: false
  private _first = new BucketRuleOutputReference(this, "first");
  protected synthesizeHclAttributes(): { [name: string]: any } {
    const attrs = {
      name: {
        value: cdktf.stringToHclTerraform(this._name),
        isBlock: false,
        type: "simple",
        storageClassType: "string",
      },
      rule: {
        value: cdktf.listMapperHcl(bucketRuleToHclTerraform, true)(this._rule.internalValue),
        isBlock: true,
        type: "set",
        storageClassType: "BucketRuleList",
      },
      first: {
        value: bucketRuleToHclTerraform(this._first.internalValue),
        isBlock: true,
        type: "list",
        storageClassType: "BucketRuleList",
      },
    };
  }
}
"""


def wheel_of(source: str, folder: Path) -> Path:
    """Pack one source file as the bindings do: in the source map of a compiled file, in a package, in a wheel."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as package:
        mapped = base64.b64encode(json.dumps({"sourcesContent": [source]}).encode()).decode()
        provider = {"name": "registry.terraform.io/acme/cloud", "version": "1.2.3"}
        for name, text in {
            "package/package.json": json.dumps({"cdktf": {"provider": provider}}),
            "package/lib/bucket/index.js": f"// compiled\n//# sourceMappingURL=data:application/json;base64,{mapped}",
        }.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            package.addfile(entry, io.BytesIO(text.encode()))
    wheel = folder / "cdktf_cdktf_provider_cloud-4.5.6-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("bindings/cloud@4.5.6.jsii.tgz", packed.getvalue())
    return wheel


def test_a_schema_is_read_from_bindings(tmp_path: Path) -> None:
    bindings = Bindings(wheel_of(SOURCE, tmp_path))
    assert (bindings.requirement, bindings.source) == ("cdktf-cdktf-provider-cloud==4.5.6", "acme/cloud")
    rule: dict[str, Any] = {"attributes": {"prefix": {"type": ["set", "string"], "optional": True, "computed": True}}}
    assert bindings.schema(bindings.folder("cloud_bucket"))["block"] == {
        "attributes": {
            "name": {"type": "string", "required": True},
            "owner": {"type": ["list", ["object", {"email": "string"}]], "computed": True},
        },
        "block_types": {
            "first": {"nesting_mode": "list", "block": rule, "max_items": 1},
            "rule": {"nesting_mode": "set", "block": rule, "min_items": 1},
        },
    }
    with pytest.raises(KeyError, match="has no cloud_bukket"):
        bindings.folder("cloud_bukket")


@pytest.mark.parametrize("provider", sorted(EXCERPTS))
def test_the_schemas_have_the_form_that_the_command_writes(provider: str) -> None:
    assert (SCHEMAS / f"{provider}.json").read_text() == as_text(EXCERPTS[provider])
