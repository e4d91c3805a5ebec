"""What the tests of 09_quasar share: the import path."""

from __future__ import annotations

import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
HOME = REPOSITORY / "stacks" / "09_quasar"
for source in (REPOSITORY, HOME / "src", HOME / "tests"):
    if str(source) not in sys.path:
        sys.path.insert(0, str(source))
