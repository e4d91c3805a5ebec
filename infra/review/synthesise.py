"""Synthesise stacks for an offline plan and write what came of it: run as a file, once for each tree.

``python -P synthesise.py FOLDER [--chosen=JSON] [STACK ...]`` with the tree on ``PYTHONPATH``: the base's stacks are
built by the base's own engine, so that a change of the engine is part of what is compared. It uses only what has long
been there: `catalog.load`, `stack.create`, `targets.offline`.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from infra import catalog, stack, targets
from infra.errors import OrreryError


def synthesise(info: catalog.StackInfo, folder: Path) -> dict[str, Any]:
    """Return a stack's configuration and tags, or why there are none."""
    try:
        built, configuration = stack.create(info, targets.offline(), folder)
    except OrreryError as error:
        return {"id": info.id, "error": error.what}
    return {
        "id": info.id,
        "configuration": configuration,
        "tags": built.tags,
        "accepted": [dict(each) for each in info.accepted],
    }


def main(arguments: list[str]) -> int:
    """Write ``<slug>.stack.json`` for each stack (all built ones by default) into a folder.

    ``--chosen`` has the settings that are chosen, by stack; only the head is asked for any.
    """
    out, rest = Path(arguments[0]), arguments[1:]
    wanted = {each for each in rest if not each.startswith("--chosen=")}
    chosen = {key: value for each in rest if each not in wanted for key, value in json.loads(each[9:]).items()}
    for info in catalog.load().values():
        own = {**getattr(info, "planned", {}), **chosen.get(info.id, {})}
        if own:
            info = replace(info, settings={**info.settings, **own}, chosen=own)
        if info.built and (not wanted or info.id in wanted):
            name = f"stack_{info.slug.replace('-', '_')}"
            (out / name).mkdir(parents=True, exist_ok=True)
            (out / f"{info.slug}.stack.json").write_text(json.dumps(synthesise(info, out / name), sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
