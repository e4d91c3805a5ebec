"""A file is what its header says, or it is refused with one line that says what to do."""

from __future__ import annotations

import pytest
from comet.contract import KNOWN, recognise
from comet.generate import HEADERS

from jobs.errors import FileRejected


@pytest.mark.parametrize("shape", ["ps", "pscomppars"])
def test_the_archives_default_downloads_are_recognised_in_any_order(shape: str) -> None:
    assert recognise(HEADERS[shape]).shape == shape
    assert recognise(list(reversed(HEADERS[shape]))).shape == shape
    assert recognise([f" {name.upper()}" for name in HEADERS[shape]]).shape == shape


def test_columns_that_the_archive_also_offers_are_ignored_and_named() -> None:
    layout = recognise([*HEADERS["ps"], "pl_tranmid", "pl_tranmiderr1", "hd_name"])
    assert {"pl_tranmid", "pl_tranmiderr1", "hd_name", "pl_radj"} <= set(layout.ignored)
    assert "pl_rade" not in layout.ignored and set(layout.ignored) <= KNOWN


@pytest.mark.parametrize(
    ("header", "code", "hint"),
    [
        ([";".join(HEADERS["ps"])], "wrong_delimiter", "semicolons"),
        (["\t".join(HEADERS["ps"])], "wrong_delimiter", "tabs"),
        ([*HEADERS["ps"], "pl_colour"], "unknown_column", "'pl_colour'"),
        ([*HEADERS["ps"], "pl_name"], "repeated_column", "'pl_name'"),
        (["pl_title" if name == "pl_name" else name for name in HEADERS["ps"]], "missing_column", "'pl_title'?"),
        ([name for name in HEADERS["ps"] if name != "pl_orbpererr2"], "missing_column", "'pl_orbpererr2'"),
        ([name for name in HEADERS["ps"] if name != "default_flag"], "missing_column", "'default_flag'"),
        (["a", "b"], "missing_column", "'pl_name'"),
    ],
)
def test_a_changed_contract_says_what_changed(header: list[str], code: str, hint: str) -> None:
    with pytest.raises(FileRejected) as caught:
        recognise(header)
    assert caught.value.code == code
    assert hint in caught.value.message
