"""What a user sees: plain in a pipe, no more than asked for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from infra.errors import OrreryError
from infra.output import Ui
from infra.paths import ROOT


def test_results_go_to_stdout_and_progress_beside_them(capsys: pytest.CaptureFixture[str]) -> None:
    ui = Ui()
    ui.say("a result")
    ui.note("some progress")
    assert capsys.readouterr() == ("a result\n", "some progress\n")


def test_a_table_in_a_pipe_is_unfolded_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    Ui().table(["name", "count"], [["a" * 200, 1], ["b c", None]])
    assert capsys.readouterr().out == f"name\tcount\n{'a' * 200}\t1\nb c\tNone\n"


def test_a_table_in_a_terminal_shows_what_looks_like_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    Ui().table(["message"], [["hello [/b]"], ["[hello]"]])
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1:]] == ["hello [/b]", "[hello]"]


def test_a_step_is_silent_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with Ui().step("working") as show:
        show("on something")
    assert capsys.readouterr() == ("", "")


def test_commands_are_shown_only_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    Ui().command(["terraform", "plan"])
    Ui(verbose=True).command(["terraform", "plan", "-out=a b"], {"GOGC": "400"})
    assert capsys.readouterr().err == "$ GOGC=400 terraform plan '-out=a b'\n"


def test_an_error_reads_as_a_sentence_with_its_next_step() -> None:
    assert str(OrreryError("it broke", next_step="mend it")) == "it broke (next: mend it)"
    assert str(OrreryError("it broke")) == "it broke"


def test_a_command_whose_reader_has_gone_goes_on_to_its_end() -> None:
    code = "import sys; from infra.output import Ui\nfor n in range(20000): Ui().say(str(n))\nprint('done', file=sys.stderr)"
    writer = subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout and writer.stderr
    assert writer.stdout.readline() == "0\n"
    writer.stdout.close()
    assert writer.stderr.read() == "done\n"
    assert writer.wait() == 0
