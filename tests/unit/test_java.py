"""Which Java is taken, and what is said and installed where there is none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from infra.errors import OrreryError
from infra.local import doctor, java
from infra.paths import ROOT
from jobs.java import JavaNotFoundError, home

SCRIPT = ROOT / "scripts" / "install_debian.sh"


def made(folder: Path, version: str) -> Path:
    """Make a folder with a program that says its version as Java does."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"""#!/bin/sh\necho 'openjdk version "{version}" 2025-04-15' >&2\n""")
    program.chmod(0o755)
    return folder


@pytest.mark.parametrize("named", ["17.0.15", "17"])
def test_what_the_user_names_comes_first(tmp_path: Path, named: str) -> None:
    mine, jvm = made(tmp_path / "mine", named), tmp_path / "jvm"
    made(jvm / "java-17", "17.0.1")
    assert home({"JAVA_HOME": str(mine)}, jvm) == mine


def test_a_default_java_of_another_version_is_passed_over(tmp_path: Path) -> None:
    newest, jvm = made(tmp_path / "newest", "25.0.1"), tmp_path / "jvm"
    right = made(jvm / "java-17-openjdk-amd64", "17.0.15")
    path = os.pathsep.join([str(newest / "bin"), os.environ["PATH"]])
    assert home({"JAVA_HOME": str(newest), "PATH": path}, jvm) == right


def test_the_javas_that_do_not_do_are_named(tmp_path: Path) -> None:
    old = made(tmp_path / "old", "1.8.0_402")
    broken = tmp_path / "jvm" / "java-17"
    made(broken, "17").joinpath("bin", "java").write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(JavaNotFoundError, match=rf"no Java 17 on this machine \({old} is 8\)$"):
        home({"JAVA_HOME": str(old)}, tmp_path / "jvm")


def test_a_machine_without_one_is_told_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> Path:
        return home({}, tmp_path)

    monkeypatch.setattr("jobs.java.home", none)
    with pytest.raises(OrreryError, match=r"no Java 17.*next: apt-get install openjdk-17-jre-headless"):
        java.home()
    assert doctor.java().ok and "openjdk-17-jre-headless" in doctor.java().message


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH that holds what the script needs, and no apt-get."""
    for name in ("bash", "mktemp", "rm"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    return tmp_path


def script(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([path / "bash", SCRIPT, *arguments], env={"PATH": str(path)}, capture_output=True, text=True)


def test_the_script_says_what_to_install_where_it_may_not(bare: Path) -> None:
    asked = ("a browser", f"chromium {bare}/jvm/*17*/bin/java", "chromium", "fonts-liberation")
    (bare / "jvm" / "java-25" / "bin").mkdir(parents=True)
    (bare / "jvm" / "java-25" / "bin" / "java").symlink_to("/bin/true")
    done = script(bare, *asked)
    assert done.returncode == 0
    told = "a browser is not installed: the tests that need it will fail; next: apt-get install chromium fonts-liberation\n"
    assert done.stderr == told


@pytest.mark.parametrize("there", ["chromium", "jvm/java-17/bin/java"])
def test_the_script_leaves_alone_what_is_there(bare: Path, there: str) -> None:
    (bare / there).parent.mkdir(parents=True, exist_ok=True)
    (bare / there).symlink_to("/bin/true")
    done = script(bare, "it", f"chrome chromium {bare}/jvm/*17*/bin/java", "chromium")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_installs_as_root(bare: Path) -> None:
    """Only what the script asks apt-get for is looked at; root is played by continuous integration's sudo."""
    for name, does in (("apt-get", f'echo "$@" >>{bare}/asked'), ("sudo", '[ "$1" = -n ] && shift; "$@"')):
        (bare / name).write_text(f"#!/bin/sh\n{does}\n")
        (bare / name).chmod(0o755)
    (bare / "sh").symlink_to("/bin/sh")
    (bare / "true").symlink_to("/bin/true")
    environment = {"PATH": str(bare), "CI": "true"}
    done = subprocess.run(
        [bare / "bash", SCRIPT, "it", "nowhere", "one", "two"], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stderr == "installing it for the tests (once): one two\n", done.stderr
    update, install = (bare / "asked").read_text().splitlines()
    assert update.endswith("update --quiet") and install.endswith("--no-install-recommends one two")
