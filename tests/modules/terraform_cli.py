"""Terraform for the module tests: on copies of ``modules/``, with dummy credentials and nowhere to call.

The AWS provider is the real one. Those of other clouds are schema-only (``tests/support/schema_provider``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from infra import terraform
from infra.paths import MODULES
from infra.stack import PROVIDERS
from tests.support.schema_provider import mirror

NOWHERE = "http://127.0.0.1:9"
"""Where calls to AWS go. Nothing listens there: a plan that is not offline fails and says what it asked."""

AWS = f"{terraform.REGISTRY}/{PROVIDERS['aws']['source']}"
_scratch = tempfile.TemporaryDirectory(prefix="orrery-providers-")


class TerraformError(Exception):
    """A run of Terraform failed; the text is what it printed."""


def environment(config: Path | None = None) -> dict[str, str]:
    """Return this process's environment without what would change a run: credentials, profiles, ``TF_*``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    return kept | {
        "AWS_ACCESS_KEY_ID": "offline",
        "AWS_SECRET_ACCESS_KEY": "offline",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": NOWHERE,
        "CHECKPOINT_DISABLE": "1",
        "GOGC": "400",
        "TF_CLI_CONFIG_FILE": str(config or cli_config()),
        "TF_IN_AUTOMATION": "1",
    }


@cache
def cli_config() -> Path:
    """Write the CLI configuration of the module tests: where each provider comes from."""
    folder = Path(_scratch.name)
    file = folder / "terraform.rc"
    file.write_text(terraform.provider_installation({**aws_mirror(), **mirror.lay(folder / "mirror")}))
    return file


def aws_mirror() -> dict[Path, list[str]]:
    """Return where the AWS provider lies: in the machine's mirror, else in the engine's cache of providers."""
    for place, held in terraform.found_mirror().items():
        if AWS in held:
            return {place: [AWS]}
    plugins = terraform.plugin_cache()
    if not (plugins / AWS / PROVIDERS["aws"]["version"]).is_dir():
        download_aws(plugins)
    return {plugins: [AWS]}


def download_aws(plugins: Path) -> None:
    """Let Terraform bring the AWS provider into a cache, by the user's own configuration if there is one."""
    plugins.mkdir(parents=True, exist_ok=True)
    own = os.environ.get("TF_CLI_CONFIG_FILE", "")
    settings = environment(Path(own) if Path(own).is_file() else terraform.cli_config())
    with tempfile.TemporaryDirectory() as folder:
        wanted = {"terraform": {"required_providers": {"aws": PROVIDERS["aws"]}}}
        (Path(folder) / "main.tf.json").write_text(json.dumps(wanted))
        _run(Path(folder), ["init", "-no-color"], settings | {"TF_PLUGIN_CACHE_DIR": str(plugins)})


def run(folder: Path, *arguments: str) -> str:
    """Run Terraform in a folder and return what it printed.

    Raises
    ------
    TerraformError
        It ended with another exit code than 0.
    """
    return _run(folder, arguments, environment())


def _run(folder: Path, arguments: Sequence[str], settings: dict[str, str]) -> str:
    command = [*terraform.find_terraform(), *arguments]
    done = subprocess.run(command, cwd=folder, env=settings, capture_output=True, text=True)
    if done.returncode:
        raise TerraformError(f"terraform {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def copy_of_modules(target: Path) -> Path:
    """Copy ``modules/`` below a folder, without what Terraform left there, and return the copy.

    Terraform writes a lock file and its data beside the configuration: the tests leave the checkout as it is.
    """
    ignored = shutil.ignore_patterns(".terraform*", "terraform.tfstate*")
    return Path(shutil.copytree(MODULES, target / "modules", ignore=ignored))
