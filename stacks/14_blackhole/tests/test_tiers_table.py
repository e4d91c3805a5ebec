"""The README's comparison of the tiers is what is planned and priced."""

from __future__ import annotations

from decimal import Decimal

import pytest

from infra.output import Ui
from scripts import compare_tiers

pytestmark = pytest.mark.terraform


def test_the_table_in_the_readme_is_what_is_planned() -> None:
    assert compare_tiers.main(["--check"]) == 0, "write it anew: .venv/bin/python -P scripts/compare_tiers.py"


def test_the_less_stands_ready_the_less_there_is_and_costs() -> None:
    found = compare_tiers.figures(Ui())
    ordered = [found[name] for name in ("backup_restore", "pilot_light", "warm_standby")]
    assert [each.resources for each in ordered] == sorted({each.resources for each in ordered})
    assert [each.usd for each in ordered] == sorted({each.usd for each in ordered})
    assert found["warm_standby"].resources == found["active_active"].resources
    assert ordered[0].usd > Decimal(5), "a key, a zone and a health check cost something in every tier"
