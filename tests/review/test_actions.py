"""What the review says of an edit is what AWS would do: each edit's action is known from the provider's documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra import targets
from infra.output import Ui
from infra.review import planning
from infra.review.trees import Synthesised, Tree
from tests.review.edits import EDITS, Edit

pytestmark = [pytest.mark.terraform, pytest.mark.xdist_group("review-actions")]


def tree(folder: Path, side: int) -> Tree:
    """Return a tree whose stacks are the edits' configurations before (0) or after (1)."""
    provider = {"provider": {"aws": [targets.offline().provider("us-east-1", {})]}}
    stacks = {
        edit.name: Synthesised(edit.name, {**provider, **edit.configurations()[side]}, {}, fingerprint=str(side))
        for edit in EDITS
    }
    folder.mkdir(parents=True)
    return Tree("base" if side == 0 else "head", folder, folder, stacks)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> planning.Comparison:
    """All edits, compared in one go."""
    folder = tmp_path_factory.mktemp("review")
    base, head = tree(folder / "base", 0), tree(folder / "head", 1)
    return planning.compare(base, head, [edit.name for edit in EDITS], Ui())


def test_the_base_settles_and_every_edit_is_planned(found: planning.Comparison) -> None:
    assert found.unsettled == ()
    assert found.failed == {}


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_has_the_action_that_aws_takes(edit: Edit, found: Any) -> None:
    seen = {delta.address: delta.action for delta in found.deltas if delta.stack == edit.name}
    assert seen == edit.expected
