"""The local cloud: services that start on demand, stay up between commands, and keep their data.

Importing this package is cheap; what the work needs is imported when it is done.

Examples
--------
>>> from pathlib import Path
>>> from infra.local import Cloud
>>> cloud = Cloud(Path(".orrery"))
>>> cloud.up(["aws"])["aws"].url  # doctest: +SKIP
'http://127.0.0.1:4566'
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.cloud import Cloud
    from infra.local.service import Check, Database, Endpoint, ServiceStatus

__all__ = ["Check", "Cloud", "Database", "Endpoint", "ServiceStatus"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module("infra.local.cloud" if name == "Cloud" else "infra.local.service"), name)
