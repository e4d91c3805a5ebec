"""The arguments that the Google provider knows, for the resources that modules use.

That provider can't be started without a download, so its examples aren't planned. What it takes is kept in
``google_schema.json``, taken from its Python bindings. To write it anew, once a module takes a new resource::

    pip download --no-deps cdktf-cdktf-provider-google==16.12.1    # provider 6.50.0
    python -m tests.modules.google_schema cdktf_cdktf_provider_google-16.12.1-py3-none-any.whl

It proves that arguments exist and that none is missing, not what Google makes of their values.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hcl2

from infra.paths import MODULES

SCHEMA = Path(__file__).with_suffix(".json")
META_ARGUMENTS = {"count", "depends_on", "for_each", "lifecycle", "provider"}
OF_BINDINGS = {"connection", "count", "dependsOn", "forEach", "lifecycle", "provider", "provisioners"}

Block = dict[str, Any]
"""Arguments by name: ``{"type": "string", "required": true}``, or ``{"block": {…}, "required": …}``."""


def mistakes(resource_type: str, written: Mapping[str, Any], schema: Mapping[str, Block]) -> list[str]:
    """Return what is wrong with a resource's arguments: unknown ones, and missing ones."""
    if resource_type not in schema:
        return [f"{resource_type}: not in {SCHEMA.name}, or no such resource"]
    given = {name: value for name, value in written.items() if name not in META_ARGUMENTS}
    return list(block_mistakes(given, schema[resource_type], resource_type))


def block_mistakes(written: Mapping[str, Any], known: Block, where: str) -> Iterator[str]:
    """Yield the mistakes of one block and of those inside it."""
    given = static_and_dynamic(written)
    for name in sorted(known.keys() - given.keys()):
        if known[name]["required"]:
            yield f"{where}: {name} is missing"
    for name, value in given.items():
        if name not in known:
            yield f"{where}: {name} is unknown"
        elif "block" in known[name]:
            for content in value if isinstance(value, list) else [value]:
                yield from block_mistakes(content, known[name]["block"], f"{where}.{name}")


def static_and_dynamic(written: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block's arguments with what ``dynamic`` makes of them, without the parser's own marks."""
    given = {name: value for name, value in written.items() if name != "dynamic" and not name.startswith("__")}
    for generator in written.get("dynamic", []):
        for name, body in generator.items():
            if not name.startswith("__"):
                given[name.strip('"')] = body["content"]
    return given


def resources(module: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield type, name and arguments of each resource of a module."""
    for path in sorted((MODULES / module).glob("*.tf")):
        for entry in hcl2.loads(path.read_text()).get("resource", []):
            for resource_type, named in entry.items():
                if resource_type.startswith("__"):
                    continue
                for name, written in named.items():
                    if not name.startswith("__"):
                        yield resource_type.strip('"'), name.strip('"'), written


def read_schema() -> dict[str, Block]:
    """Return the kept schema."""
    schema: dict[str, Block] = json.loads(SCHEMA.read_text())
    return schema


def from_bindings(wheel: Path, wanted: set[str]) -> dict[str, Block]:
    """Return the schema of resources, from the assembly inside the wheel of the bindings."""
    with zipfile.ZipFile(wheel) as files:
        packed = next(name for name in files.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(files.read(packed))) as package:
            assembly = package.extractfile("package/.jsii")
            assert assembly, "the bindings hold no assembly"
            types = json.load(assembly)["types"]

    def block(fqn: str) -> Block:
        properties = [entry for entry in types[fqn].get("properties", []) if entry["name"] not in OF_BINDINGS]
        return {
            snake_case(entry["name"]): kind(entry["type"]) | {"required": not entry.get("optional", False)}
            for entry in sorted(properties, key=lambda entry: snake_case(entry["name"]))
        }

    def kind(given: Mapping[str, Any]) -> Block:
        if "union" in given:  # with a token, which stands for any value
            return kind(next(one for one in given["union"]["types"] if one.get("fqn") != "cdktf.IResolvable"))
        if "collection" in given:
            inner = kind(given["collection"]["elementtype"])
            return inner if "block" in inner else {"type": given["collection"]["kind"]}
        return {"type": given["primitive"]} if "primitive" in given else {"block": block(given["fqn"])}

    schema = {}
    for resource_type in sorted(wanted):
        name = "".join(part.title() for part in resource_type.removeprefix("google_").split("_"))
        schema[resource_type] = block(f"@cdktf/provider-google.{name[0].lower()}{name[1:]}.{name}Config")
    return schema


def snake_case(name: str) -> str:
    """Return ``kmsKeyName`` as ``kms_key_name``."""
    return re.sub(r"(?<!^)([A-Z])", lambda letter: f"_{letter[1]}", name).lower()


def main(arguments: list[str]) -> int:
    """Write the schema of the resources that the modules for Google use."""
    from infra import modules

    used = {
        kind for name in modules.names() if modules.load(name).provider == "google" for kind, _, _ in resources(name)
    }
    SCHEMA.write_text(json.dumps(from_bindings(Path(arguments[0]), used), indent=1) + "\n")
    print(f"wrote {SCHEMA.name}: {', '.join(sorted(used))}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
