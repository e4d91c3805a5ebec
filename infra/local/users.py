"""Whom a database server runs as when we are root, and where its files are then.

PostgreSQL and MariaDB refuse to run as root. Their own user may not reach the folder of a checkout: what it needs lies
in a folder outside of it then.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import subprocess
from pathlib import Path

from infra.errors import OrreryError


def service_user(service: str) -> pwd.struct_passwd | None:
    """Return whom a database server runs as when we are root, as which it refuses to run; else nothing.

    Raises
    ------
    OrreryError
        We are root, and there is neither the service's user nor ``nobody``.
    """
    if os.geteuid() != 0:
        return None
    for name in (service, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise OrreryError(f"{service} does not run as root", next_step="run as an ordinary user")


def reachable(folder: Path, user: pwd.struct_passwd) -> bool:
    """Tell whether a user can pass through every folder on the way."""
    folder = folder.resolve()
    for part in (folder, *folder.parents):
        try:
            facts = part.stat()
        except FileNotFoundError:
            continue  # will be made by us, with a mode that lets it through
        bit = 0o100 if facts.st_uid == user.pw_uid else 0o010 if facts.st_gid == user.pw_gid else 0o001
        if not facts.st_mode & bit:
            return False
    return True


def outside_root(home: Path) -> Path:
    """Return the folder of what can't be below ``.orrery``, one for each local cloud."""
    return Path("/var/tmp") / f"orrery-{hashlib.sha256(str(home).encode()).hexdigest()[:12]}"


def outside(home: Path, service: str, what: str) -> Path:
    """Return a folder that an unprivileged user can reach; made when it is missing."""
    folder = outside_root(home)
    if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.geteuid()):
        raise OrreryError(f"{folder} belongs to somebody else", next_step="remove it, then run the command again")
    for part in (folder, folder / "lib", folder / "lib" / service):
        part.mkdir(exist_ok=True)
        part.chmod(0o755)  # whatever our umask is
    return folder / "lib" / service / what


def real_folder(data: Path, home: Path, service: str) -> Path:
    """Return where a database server's data lives: below ``.orrery``, unless the server's user can't get there.

    Parameters
    ----------
    data : Path
        Where it is found below ``.orrery``: the folder itself, or a link to it.
    home : Path
        The local cloud's.
    service : str
        Its name, which is also that of the user it runs as when we are root.
    """
    if data.exists():
        return data.resolve()
    owner = service_user(service)
    return data if owner is None or reachable(data.parent, owner) else outside(home, service, "data")


def run_as(user: pwd.struct_passwd | None, command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command as another user (or as ourselves)."""
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
    if user is None:
        return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
    return subprocess.run(
        command,
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )
