"""Reads a provider's schema from its bindings for Python, for providers that can't be downloaded everywhere.

The bindings were generated from the schema of the provider, and each argument's comment and HCL description give it back:
names, types, nesting, what is required and what the provider computes. Not in them: what is sensitive or write-only, and
how many blocks of a kind there may be beyond "one" and "many". docs/schema-provider.md says how near this comes.

What the modules use is kept in ``schemas/``, in the form of ``terraform providers schema -json``. To write it anew, once
a module takes a new resource or a provider a new version::

    pip download --no-deps --dest wheels cdktf-cdktf-provider-google==16.12.1
    PYTHONPATH=. .orrery/envs/test/bin/python -P -m tests.support.schema_provider.bindings wheels/*.whl

With ``--against``, nothing is written: all that the bindings say is compared with what the provider itself says in
``terraform providers schema -json``, on a machine that can have both.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.paths import MODULES

SCHEMAS = Path(__file__).parent / "schemas"
SCALARS = {"string": "string", "number": "number", "boolean": "bool", "any": "dynamic"}
GETTERS = {  # how the bindings read an attribute that the provider computes, and the attribute's type
    "this.getStringAttribute": "string",
    "this.getNumberAttribute": "number",
    "this.getBooleanAttribute": "bool",
    "this.getListAttribute": ["list", "string"],
    "cdktf.Fn.tolist(this.getListAttribute": ["set", "string"],
    "this.getNumberListAttribute": ["list", "number"],
    "cdktf.Token.asNumberList(cdktf.Fn.tolist(this.getNumberListAttribute": ["set", "number"],
    "new cdktf.StringMap": ["map", "string"],
    "new cdktf.NumberMap": ["map", "number"],
    "new cdktf.BooleanMap": ["map", "bool"],
    "new cdktf.StringMapList": ["list", ["map", "string"]],
    "new cdktf.StringListMap": ["map", ["list", "string"]],
}

STRUCTURE = re.compile(r"^export (?:function (\w+)ToHclTerraform\(|class (\w+) extends cdktf\.)")
FLAGS = re.compile(r"^  // (\w+) - computed: (\w+), optional: (\w+), required: (\w+)$")
GETTER = re.compile(r"(?:return|=) (new [\w.]+|[\w.(]+)\((.*)\);$")
ARGUMENT = re.compile(r"^ +(\w+): \{$")
FACT = re.compile(r"^ +(value|isBlock|type|storageClassType): (.*),$")
IN_BLOCK = re.compile(r"(\w+)ToHclTerraform\b")

Json = dict[str, Any]


@dataclass
class Entry:
    """One argument or attribute: its flags, how it is written in HCL (if it is), and how it is read."""

    computed: bool = False
    optional: bool = False
    required: bool = False
    hcl: dict[str, str] = field(default_factory=dict)
    getter: str = ""


Structure = dict[str, Entry]
"""One resource or block: its entries by name."""


class Bindings:
    """The wheel of a provider's bindings.

    Parameters
    ----------
    wheel : Path
        A file such as ``cdktf_cdktf_provider_google-16.12.1-py3-none-any.whl``.
    """

    def __init__(self, wheel: Path) -> None:
        self.requirement = "==".join(wheel.name.replace("_", "-").split("-py3")[0].rsplit("-", 1))
        with zipfile.ZipFile(wheel) as files:
            packed = next(name for name in files.namelist() if name.endswith(".jsii.tgz"))
            content = io.BytesIO(files.read(packed))
        self._package = tarfile.open(fileobj=content)  # noqa: SIM115  # stays open: files are read from it on demand
        self._files = self._package.getnames()
        folders = [name.split("/")[2] for name in self._files if re.fullmatch(r"package/lib/[^/]+/index\.js", name)]
        self._folders = {folder.replace("-", ""): folder for folder in folders}
        provider = json.loads(self._read("package.json"))["cdktf"]["provider"]
        self.source = provider["name"].removeprefix("registry.terraform.io/")
        self.name, self.version = self.source.rpartition("/")[2], provider["version"]

    def excerpt(self, resources: set[str]) -> Json:
        """Return the schema of the provider's own settings and of some resources.

        Raises
        ------
        KeyError
            The provider has no such resource.
        """
        return {
            "bindings": self.requirement,
            "source": self.source,
            "version": self.version,
            "provider": self.schema("provider"),
            "resource_schemas": {name: self.schema(self.folder(name)) for name in sorted(resources)},
        }

    def folder(self, resource: str) -> str:
        """Return the folder that holds a resource; the bindings set hyphens before digits as they like."""
        plain = resource.removeprefix(f"{self.name}_").replace("_", "")
        found = self._folders.get(plain)
        if not found:
            raise KeyError(f"{self.requirement} has no {resource}")
        return found

    def schema(self, folder: str) -> Json:
        """Return the schema of one resource, by its folder in the bindings: ``storage-bucket``."""
        structures: dict[str, Structure] = {}
        main = ""
        for text in self._sources(folder):
            main = read_structures(text, structures) or main
        if folder == "provider":
            del structures[main]["alias"]  # Terraform's own argument
        return {"version": 0, "block": block(structures[main], structures)}

    def _sources(self, folder: str) -> Iterator[str]:
        """Yield the TypeScript of a resource; the bindings carry it in their source maps."""
        names = sorted(name for name in self._files if re.fullmatch(rf"package/lib/{folder}/(.+/)?\w+\.js", name))
        for name in names:
            encoded = self._read(name.removeprefix("package/")).rpartition(b"base64,")[2]
            yield from json.loads(base64.b64decode(encoded))["sourcesContent"]

    def _read(self, name: str) -> bytes:
        file = self._package.extractfile(f"package/{name}")
        assert file
        return file.read()


def read_structures(text: str, structures: dict[str, Structure]) -> str:
    """Read the structures of one source file, and return the name of the resource's own class if it is there."""
    main, current, entry, argument = "", Structure(), Entry(), ""
    for line in text.splitlines():
        if found := STRUCTURE.match(line):
            name = found[1] or found[2].removesuffix("OutputReference")
            current = structures.setdefault(name[0].upper() + name[1:], {})
            if line.endswith((" extends cdktf.TerraformResource {", " extends cdktf.TerraformProvider {")):
                main = name
        elif found := FLAGS.match(line):
            entry = current.setdefault(found[1], Entry())
            entry.computed, entry.optional, entry.required = (flag == "true" for flag in found.groups()[1:])
        elif found := ARGUMENT.match(line):
            argument = found[1]
        elif line.endswith("},"):
            argument = ""
        elif argument and (found := FACT.match(line)):
            entry = current.setdefault(argument, Entry())
            entry.hcl[found[1]] = found[2].strip('"')
        elif not entry.getter and (found := GETTER.search(line)):
            entry.getter = line.strip()
    return main


def block(structure: Structure, structures: dict[str, Structure]) -> Json:
    """Return a structure as a block of Terraform's schema."""
    made: Json = {"attributes": {}, "block_types": {}}
    for name, entry in sorted(structure.items()):
        if entry.hcl.get("isBlock") == "true" and not entry.computed:
            made["block_types"][name] = nested(entry, structures)
        else:
            flags = {flag: True for flag in ("required", "optional", "computed") if getattr(entry, flag)}
            # The blocks of a provider's own settings have no flags in the bindings.
            made["attributes"][name] = {"type": type_of(entry, structures)} | (flags or {"optional": True})
    return {key: value for key, value in made.items() if value}


def nested(entry: Entry, structures: dict[str, Structure]) -> Json:
    """Return a block within a block, with how often it may stand there."""
    inner, mode = block(structure_of(entry, structures), structures), entry.hcl["type"]
    if mode == "struct":
        return {"nesting_mode": "single", "block": inner}
    limits = {"min_items": 1} if entry.required else {}
    if "Mapper" not in entry.hcl["value"]:
        limits["max_items"] = 1
    return {"nesting_mode": mode, "block": inner} | limits


def structure_of(entry: Entry, structures: dict[str, Structure]) -> Structure:
    """Return the structure that an argument takes."""
    found = IN_BLOCK.search(entry.hcl["value"].replace("cdktf.", ""))
    assert found, entry
    return structures[found[1][0].upper() + found[1][1:]]


def type_of(entry: Entry, structures: dict[str, Structure]) -> Any:
    """Return an attribute's type, as Terraform writes it in JSON."""
    if not entry.hcl:
        return type_by_getter(entry.getter, structures)
    if entry.hcl["isBlock"] == "true":  # a block that the provider may also fill is an attribute to Terraform
        inner = object_type(structure_of(entry, structures), structures)
        return inner if entry.hcl["type"] == "struct" else [entry.hcl["type"], inner]
    return type_by_storage(entry.hcl["storageClassType"], entry.hcl["type"])


def type_by_storage(storage: str, kind: str) -> Any:
    """Return the type of an argument that is no block: ``stringList`` of kind ``set`` is a set of strings."""
    for suffix in ("List", "Map"):
        if storage.endswith(suffix):
            outer = kind if kind in ("list", "set", "map") else suffix.lower()
            return [outer, type_by_storage(storage.removesuffix(suffix), "")]
    return SCALARS[storage]


def type_by_getter(getter: str, structures: dict[str, Structure]) -> Any:
    """Return the type of an attribute that can only be read, from the line that reads it."""
    found = GETTER.search(getter)
    assert found, getter
    if found[1] in GETTERS:
        return GETTERS[found[1]]
    name = found[1].removeprefix("new ")
    if name.endswith("OutputReference"):
        return object_type(structures[name.removesuffix("OutputReference")], structures)
    assert name.endswith(("List", "Map")), getter
    outer = "map" if name.endswith("Map") else "set" if found[2].endswith("true") else "list"
    return [outer, object_type(structures[name.removesuffix("List").removesuffix("Map")], structures)]


def object_type(structure: Structure, structures: dict[str, Structure]) -> Any:
    """Return a structure as the type of a value."""
    return ["object", {name: type_of(entry, structures) for name, entry in sorted(structure.items())}]


def used_resources(provider: str) -> set[str]:
    """Return the types of resources that the modules take from a provider."""
    written = re.compile(rf'^resource "({provider}_\w+)"', re.MULTILINE)
    return {found for path in MODULES.glob("**/*.tf") for found in written.findall(path.read_text())}


def as_text(excerpt: Json) -> str:
    """Return an excerpt as JSON with a line for each attribute, so that a change can be reviewed."""
    text = json.dumps(excerpt, indent=1)
    return re.sub(r'\{\s+"type":[^{}]*\}', lambda found: " ".join(found[0].split()), text) + "\n"


def facts(schema: Json, where: str) -> Iterator[tuple[str, str]]:
    """Yield what is said of each attribute and block of a block, by its path."""
    for name, attribute in schema.get("attributes", {}).items():
        known = {key: attribute.get(key, False) for key in ("type", "required", "optional", "computed")}
        yield f"{where}.{name}", f"attribute {json.dumps(known)}"
    for name, inner in schema.get("block_types", {}).items():
        known = {key: inner.get(key, 0) for key in ("nesting_mode", "min_items", "max_items")}
        yield f"{where}.{name}", f"block {json.dumps(known)}"
        yield from facts(inner["block"], f"{where}.{name}")


def compare(bindings: Bindings, truth: Mapping[str, Json]) -> list[str]:
    """Return a line for each fact in which the bindings differ from the provider, and the sum at the end."""
    lines, count = [], 0
    for name, real in sorted(truth.items()):
        said = dict(facts(bindings.schema(bindings.folder(name))["block"], name))
        true = dict(facts(real["block"], name))
        other = {path for path in said.keys() & true.keys() if said[path].split()[0] != true[path].split()[0]}
        for path in sorted(said.keys() | true.keys()):
            if not any(path.startswith(f"{outer}.") for outer in other):
                count += 1
                if said.get(path) != true.get(path):
                    lines.append(f"{path}: {said.get(path, 'nothing')}; in truth: {true.get(path, 'nothing')}")
    return [*lines, f"{len(truth)} resources, {count} attributes and blocks, {len(lines)} differences"]


def main(arguments: list[str]) -> int:
    """Write the excerpts, or compare; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.schema_provider.bindings")
    parser.add_argument("wheels", nargs="+", type=Path, help="wheels of bindings")
    parser.add_argument("--against", type=Path, help="output of: terraform providers schema -json")
    wanted = parser.parse_args(arguments)
    for wheel in wanted.wheels:
        bindings = Bindings(wheel)
        if wanted.against:
            schemas = json.loads(wanted.against.read_text())["provider_schemas"]
            truth = schemas[f"registry.terraform.io/{bindings.source}"]["resource_schemas"]
            print("\n".join(compare(bindings, truth)))
        else:
            file = SCHEMAS / f"{bindings.name}.json"
            file.write_text(as_text(bindings.excerpt(used_resources(bindings.name))))
            print(f"wrote {file.name}: {bindings.source} {bindings.version}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
