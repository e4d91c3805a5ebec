"""The service ``mysql``: Debian's MariaDB server, with the binary log that change data capture reads.

What it stands in for, and where MariaDB differs from MySQL: ``docs/adr/0024-the-kafka-connect-worker-itself.md``.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from infra.errors import OrreryError
from infra.local.mysql_client import Connection, MySqlError
from infra.local.service import HOST, Database, Endpoint, Place, Program, write_private
from infra.local.users import real_folder, run_as, service_user

ADMIN = "orrery_admin"
INSTALL = "apt-get install mariadb-server-core mariadb-client-core"
"""The server without what would start it for the whole machine; the second has a program that the first needs."""
FOLDERS = ("/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin")
RESERVED = {ADMIN, "mysql", "sys", "root", "test", "information_schema", "performance_schema"}
SETTINGS = {
    "bind-address": HOST,
    "skip-name-resolve": "1",
    "socket": "",  # none: its path could be too long, and TCP is all that clients use
    "character-set-server": "utf8mb4",
    "default-time-zone": "+00:00",
    # Change data capture: whole rows, with the names of their columns, kept for a week.
    "version": "5.7.19-log",
    "server-id": "1",
    "log-bin": "binlog",
    "binlog-format": "ROW",
    "binlog-row-image": "FULL",
    "binlog-row-metadata": "FULL",
    "gtid-domain-id": "0",
    "gtid-strict-mode": "1",
    "expire-logs-days": "7",
    # For a laptop. A commit is with the operating system when it is acknowledged: kill -9 loses none.
    "innodb-buffer-pool-size": "64M",
    "innodb-log-file-size": "48M",
    "innodb-flush-log-at-trx-commit": "2",
    "max-connections": "100",
}
MASTER = "SHOW DATABASES, RELOAD, REPLICATION SLAVE, BINLOG MONITOR, PROCESS, CREATE USER"
"""What the owner of a database may on the whole server, and hand on: what capture needs, and users for it.

It is what the master user of RDS has of it.
"""


class MySql:
    """The local MySQL: a MariaDB server."""

    name = "mysql"
    environment = "local"
    preferred_ports: Mapping[str, int] = {"main": 3306}

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where its data is."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Create the data folder the first time; it takes its name only when it is whole."""
        server = program()
        owner, folder = service_user(self.name), real_folder(self.data, self.place.home, self.name)
        if not (folder / "mysql").exists():
            say("creating the MariaDB data folder (once)")
            fresh = folder.with_name(folder.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700, parents=True)
            if owner:
                os.chown(fresh, owner.pw_uid, owner.pw_gid)
            command = [
                installer(server),
                "--no-defaults",
                f"--datadir={fresh}",
                "--skip-test-db",
                "--skip-name-resolve",
            ]
            done = run_as(owner, [*command, "--auth-root-authentication-method=normal", "--innodb-log-file-size=48M"])
            if done.returncode:
                raise OrreryError(
                    "MariaDB could not create its data folder",
                    next_step=f"look at the details with --verbose; free disk space if {folder.parent} is full",
                    details=done.stdout + done.stderr,
                )
            fresh.replace(folder)
            if folder != self.data:
                self.data.symlink_to(folder)
        # Read before anybody can connect, at each start: only the user in it can log in.
        start = folder / "orrery-start.sql"
        write_private(start, _first_statements(self.place.secret("mysql-admin")))
        if owner:
            os.chown(start, owner.pw_uid, owner.pw_gid)

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the server's process."""
        owner, folder = service_user(self.name), real_folder(self.data, self.place.home, self.name)
        # The folder is an argument of its own, by which the process is known as ours.
        command = [program(), "--no-defaults", "-h", str(folder), f"--port={ports['main']}"]
        command += [f"--{name}={value}" for name, value in SETTINGS.items()]
        command += [f"--init-file={folder / 'orrery-start.sql'}"]
        environment = {"LC_ALL": "C", "TZ": "UTC", "TMPDIR": "/tmp"}
        return Program(command, environment, user=owner.pw_name if owner else "", stop_timeout_s=30)

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it listens."""
        return Endpoint(f"mysql://{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        try:
            with self._connect(ports, timeout_s=3) as connection:
                connection.query("select 1")
        except (OSError, MySqlError, ValueError, IndexError) as error:
            return f"no answer on port {ports['main']}: {error}"
        return ""

    def provision(self, ports: Mapping[str, int], name: str) -> Database:
        """Create a database and the user that owns it, unless they exist."""
        check_database_name(name)
        password = self.place.secret(f"mysql-{name}")
        user = f"'{name}'@'%'"
        with self._admin(ports) as connection:
            connection.query(f"create database if not exists `{name}` character set utf8mb4")
            connection.query(f"create user if not exists {user} identified by '{password}'")
            connection.query(f"alter user {user} identified by '{password}'")
            # An underscore in a grant stands for any letter, unless it is escaped.
            pattern = name.replace("_", "\\_")
            connection.query(f"grant all on `{pattern}`.* to {user} with grant option")
            connection.query(f"grant {MASTER} on *.* to {user} with grant option")
        return Database(HOST, ports["main"], name, name, password)

    def drop(self, ports: Mapping[str, int], name: str) -> None:
        """Drop a database, its user, the users whose names begin with it and ``_``, and the password's file.

        Fine when they are gone already. What was in the binary log of them goes with its files, after a week.
        """
        check_database_name(name)
        with self._admin(ports) as connection:
            connection.query(f"drop database if exists `{name}`")
            escaped = name.replace("_", "\\_")
            mine = f"user = '{name}' or user like '{escaped}\\_%'"
            for user, host in connection.query(f"select user, host from mysql.user where {mine}"):
                connection.query(f"drop user if exists '{user}'@'{host}'")
        (self.place.home / "secrets" / f"mysql-{name}").unlink(missing_ok=True)

    @contextmanager
    def _admin(self, ports: Mapping[str, int]) -> Iterator[Connection]:
        try:
            with self._connect(ports) as connection:
                connection.query("set sql_log_bin = 0")  # whoever follows changes gets no password to see
                yield connection
        except (OSError, MySqlError) as error:
            raise OrreryError(
                f"MariaDB refused: {error}", next_step=f"see {self.place.log(self.name)}", details=str(error)
            ) from error

    def _connect(self, ports: Mapping[str, int], timeout_s: float = 30) -> Connection:
        return Connection(HOST, ports["main"], ADMIN, self.place.secret("mysql-admin"), timeout_s=timeout_s)


def program() -> str:
    """Return the path of the server's program.

    Raises
    ------
    OrreryError
        It is not installed.
    """
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *FOLDERS])
    found = shutil.which("mariadbd", path=path)
    if not found:
        raise OrreryError("there is no MariaDB server on this machine", next_step=INSTALL)
    return found


def installer(server: str) -> str:
    """Return the path of the program that makes a data folder; the server's package has it.

    Raises
    ------
    OrreryError
        It, or a program that it needs, is not installed.
    """
    path = os.pathsep.join([str(Path(server).parent.parent / "bin"), os.environ.get("PATH", os.defpath)])
    found = shutil.which("mariadb-install-db", path=path)
    if not found or not shutil.which("my_print_defaults", path=path):
        raise OrreryError("MariaDB is not whole on this machine", next_step=INSTALL)
    return found


def check_database_name(name: str) -> None:
    """Refuse a name that MariaDB, a pattern or a shell would trip over."""
    if not re.fullmatch(r"[a-z0-9_]{1,60}", name) or name in RESERVED:
        raise OrreryError(
            f"{name!r} cannot be the name of a database",
            next_step="use up to 60 lower-case letters, digits and underscores",
        )


def _first_statements(password: str) -> str:
    """Return what makes our user the only one that administers; nothing of it is in the binary log."""
    user = f"'{ADMIN}'@'{HOST}'"
    return (
        "set sql_log_bin = 0;\n"
        f"create or replace user {user} identified by '{password}';\n"
        f"grant all on *.* to {user} with grant option;\n"
        "drop user if exists 'root'@'localhost', 'root'@'127.0.0.1', 'root'@'::1', ''@'localhost';\n"
    )
