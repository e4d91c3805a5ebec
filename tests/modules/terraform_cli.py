"""Terraform for the module tests: on copies of ``modules/``, with dummy credentials and nowhere to call."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from infra.paths import MODULES
from infra.terraform import cli_config, find_terraform

NOWHERE = "http://127.0.0.1:9"
"""Where calls to AWS go. Nothing listens there: a plan that is not offline fails and says what it asked."""


class TerraformError(Exception):
    """A run of Terraform failed; the text is what it printed."""


def environment() -> dict[str, str]:
    """Return this process's environment without what would change a run: credentials, profiles, ``TF_*``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    own_config = os.environ.get("TF_CLI_CONFIG_FILE", "")
    return kept | {
        "AWS_ACCESS_KEY_ID": "offline",
        "AWS_SECRET_ACCESS_KEY": "offline",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ENDPOINT_URL": NOWHERE,
        "CHECKPOINT_DISABLE": "1",
        "GOGC": "400",
        "TF_CLI_CONFIG_FILE": own_config if Path(own_config).is_file() else str(cli_config()),
        "TF_IN_AUTOMATION": "1",
    }


def run(folder: Path, *arguments: str) -> str:
    """Run Terraform in a folder and return what it printed.

    Raises
    ------
    TerraformError
        It ended with another exit code than 0.
    """
    command = [*find_terraform(), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise TerraformError(f"terraform {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def copy_of_modules(target: Path) -> Path:
    """Copy ``modules/`` below a folder, without what Terraform left there, and return the copy.

    Terraform writes a lock file and its data beside the configuration: the tests leave the checkout as it is.
    """
    ignored = shutil.ignore_patterns(".terraform*", "terraform.tfstate*")
    return Path(shutil.copytree(MODULES, target / "modules", ignore=ignored))
