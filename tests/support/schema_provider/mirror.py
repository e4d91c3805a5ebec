"""Lays the schema-only providers where Terraform finds them: in a filesystem mirror of their own."""

from __future__ import annotations

import json
import platform
import shlex
import sys
from pathlib import Path

from infra.terraform import REGISTRY
from tests.support.schema_provider.bindings import SCHEMAS

PROVIDER = Path(__file__).with_name("provider.py")
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def lay(folder: Path) -> dict[Path, list[str]]:
    """Make a mirror of all schema-only providers below a folder; return it with the providers that it holds."""
    held = []
    for file in sorted(SCHEMAS.glob("*.json")):
        excerpt = json.loads(file.read_text())
        address, version = f"{REGISTRY}/{excerpt['source']}", excerpt["version"]
        plugin = folder / address / version / platform_name() / f"terraform-provider-{file.stem}_v{version}"
        plugin.parent.mkdir(parents=True)
        # A shell script, because the first line of a Python script could not hold every interpreter's path.
        plugin.write_text(f"#!/bin/sh\nexec {shlex.join([sys.executable, '-P', str(PROVIDER), str(file)])}\n")
        plugin.chmod(0o755)
        held.append(address)
    return {folder: held}


def platform_name() -> str:
    """Return this machine's platform as Terraform calls it."""
    return f"{platform.system().lower()}_{PROCESSORS[platform.machine()]}"
