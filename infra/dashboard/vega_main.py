"""Turns Vega-Lite specifications into SVG; runs in the environment ``dashboard``, without network and fonts of its own.

Reads ``{"specs": [...], "themes": {name: config}}`` from stdin and writes a list to stdout: for each specification
either ``{name: svg}`` or ``{"error": what}``.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import vl_convert

VERSION = "6.4"


def drawn(spec: dict[str, Any], themes: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Draw one specification in each theme.

    Parameters
    ----------
    spec : dict
        A whole Vega-Lite specification, data included.
    themes : dict
        Name to Vega-Lite configuration.

    Returns
    -------
    dict
        Name of the theme to SVG, or "error" to the first line of what Vega-Lite said.
    """
    try:
        return {
            name: vl_convert.vegalite_to_svg(spec, vl_version=VERSION, config=config, allowed_base_urls=[])
            for name, config in themes.items()
        }
    except Exception as error:  # whatever is wrong with one chart must not hide which chart it is
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return {"error": (lines[1:] or lines or [type(error).__name__])[0]}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    json.dump([drawn(spec, asked["themes"]) for spec in asked["specs"]], sys.stdout)
