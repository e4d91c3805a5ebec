"""Where things are in a checkout, and where a run keeps its state."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""The checkout that this code belongs to."""

STATE = Path(os.environ.get("ORRERY_STATE", "") or ROOT / ".orrery").resolve()
"""Everything that a run leaves on this machine (``ORRERY_STATE`` moves it): environments, the local cloud's
data, Terraform states, caches. Ignored by git, safe to keep, lost only when you delete it."""

MODULES = ROOT / "modules"
STACKS = ROOT / "stacks"
REQUIREMENTS = ROOT / "requirements"
CACHE = STATE / "cache"
LOCAL = STATE / "local"
