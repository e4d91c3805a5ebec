"""The settings of a connector as the module cdc_connector makes them, read from its Terraform."""

from __future__ import annotations

import re
from collections.abc import Mapping

import hcl2

from infra.paths import MODULES

REFERENCE = re.compile(r"\$\{(?:tostring\()?var\.(\w+)\)?\}")


def module_settings(engine: str, variables: Mapping[str, str], computed: Mapping[str, str]) -> dict[str, str]:
    """Return what the module's part that AWS and the local cloud share sets, without what is optional.

    Parameters
    ----------
    engine : str
        ``mysql`` or ``postgres``.
    variables : mapping
        The module's variables to values.
    computed : mapping
        Settings whose expressions are more than a variable or a text with some in it.

    Raises
    ------
    KeyError
        A variable or a computed setting is missing.
    """
    with open(MODULES / "cdc_connector" / "settings" / "main.tf") as file:
        known = next(each for each in hcl2.load(file)["locals"] if "of_engine" in each)
    found = {}
    for quoted, expression in {**known["every"], **known["of_engine"][engine]}.items():
        name, text = quoted.strip('"'), REFERENCE.sub(lambda match: variables[match[1]], expression)
        found[name] = computed[name] if "${" in text else text.strip('"')
    return found
