"""Keeps the services' processes alive with supervisord, which outlives the command that started it.

supervisord runs in the environment ``local``; this side writes its configuration and talks to its socket.
Why supervisord: ``docs/adr/0005-process-supervision.md``.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.errors import OrreryError
from infra.local.service import Place, Program, write_private

if TYPE_CHECKING:
    import psutil

MARK = "ORRERY_LOCAL"
"""The environment variable by which a process is known as ours; its value is the local cloud's folder."""

LONGEST_SOCKET_PATH = 90  # the kernel allows 107 bytes, and supervisord appends its process id while it binds

HUNG_S = 4.0
"""How long a service that does not answer gets to stop by itself, before it is killed."""


@dataclass(frozen=True)
class ProcessInfo:
    """What supervisord knows about one service."""

    state: str
    pid: int
    started: float
    problem: str


class Supervisor:
    """The supervisord of one local cloud."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.folder = place.home / "supervisor"
        self.config = self.folder / "supervisord.conf"
        self.log = place.log("supervisord")

    @property
    def socket(self) -> Path:
        """Return the path of the control socket: in our folder, or in a short one when that is too long."""
        path = self.folder / "control.sock"
        if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
            return path
        key = hashlib.sha256(str(self.place.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"orrery-{os.geteuid()}-{key}" / "control.sock"

    # --------------------------------------------------------------------------- supervisord itself

    def is_running(self) -> bool:
        """Tell whether supervisord answers."""
        try:
            with self._calls() as calls:
                state: Any = calls.supervisor.getState()
                return state["statename"] in ("RUNNING", "RESTARTING")
        except (OSError, http.client.HTTPException, xmlrpc.client.Error):
            return False

    def start(self, python: Path) -> None:
        """Start supervisord in the background; processes that an earlier one left behind end first."""
        if re.search(r"\s[#;]|[%\n\"\[]", str(self.place.home)):
            raise OrreryError(
                f"supervisord cannot work below a folder of this name: {str(self.place.home)!r}",
                next_step="move the checkout to a path without quotes, brackets, percents, ' #' and ' ;'",
            )
        self.end_orphans()
        self._make_private(self.folder)
        self._make_private(self.socket.parent)
        (self.folder / "services").mkdir(exist_ok=True)
        for old in (self.folder / "services").glob("*.conf"):
            old.unlink()
        write_private(self.config, self._configuration())
        started = subprocess.run(
            [str(python), "-P", "-m", "supervisor.supervisord", "-c", str(self.config)],
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": os.environ.get("HOME", "/"),
                "LANG": "C.UTF-8",
            }
            | {MARK: str(self.place.home), "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is not for the services
        )
        if started.returncode:
            raise OrreryError(
                "the process supervisor did not start",
                next_step=f"see {self.log}",
                details=started.stdout + started.stderr,
            )
        wait_until(self.is_running, 10, "the process supervisor does not answer", f"see {self.log}")

    def stop(self) -> None:
        """Stop every service and supervisord, and what an earlier one left behind."""
        if self.is_running():
            pid = self._call("getPID")
            self._call("shutdown")
            wait_until(lambda: not alive(pid), 60, "the services did not stop", f"see {self.log}")
        self.end_orphans()
        self.socket.unlink(missing_ok=True)

    # ------------------------------------------------------------------------------------- services

    def apply(self, name: str, program: Program) -> None:
        """Have a service run as this program: start it, or restart it when it changed."""
        path = self._service_file(name)
        text = self._section(name, program)
        info = self.info(name)
        if info and path.exists() and path.read_text() == text:
            if info.state not in ("RUNNING", "STARTING", "BACKOFF"):
                self._call("startProcess", name, False)
            return
        write_private(path, text)
        _, changed, _ = self._call("reloadConfig")[0]
        if name in changed:
            self._remove(name)
        self._call("addProcessGroup", name)

    def remove(self, name: str) -> None:
        """Stop a service and forget it."""
        self._service_file(name).unlink(missing_ok=True)
        if self.info(name):
            self._remove(name)
        self._call("reloadConfig")

    def restart(self, name: str) -> None:
        """End a service that runs and does not answer; supervisord starts it again."""
        info = self.info(name)
        if info and info.pid:
            self._call("signalProcess", name, "TERM")
            deadline = time.monotonic() + HUNG_S
            while alive(info.pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            if alive(info.pid):
                self._call("signalProcess", name, "KILL")

    def is_current(self, name: str, program: Program) -> bool:
        """Tell whether a service runs, or is being started, as exactly this program."""
        path = self._service_file(name)
        info = self.info(name)
        if info is None or info.state not in ("RUNNING", "STARTING", "BACKOFF") or not path.exists():
            return False
        return path.read_text() == self._section(name, program)

    def info(self, name: str) -> ProcessInfo | None:
        """Return what supervisord knows about a service; nothing when it does not run it."""
        return self.infos().get(name)

    def infos(self) -> dict[str, ProcessInfo]:
        """Return what supervisord knows about all services."""
        try:
            known: list[dict[str, Any]] = self._call("getAllProcessInfo")
        except OrreryError:
            return {}
        return {
            one["name"]: ProcessInfo(one["statename"], one["pid"], float(one["start"]), one["spawnerr"])
            for one in known
        }

    def restarts(self, name: str) -> int:
        """Count how often a service died unasked since supervisord started."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except OSError:
            return 0
        count, died = 0, re.compile(rf"WARN exited: {re.escape(name)} \(")
        for line in lines:
            count = 0 if "supervisord started with pid" in line else count + bool(died.search(line))
        return count

    # ------------------------------------------------------------------------------------ leftovers

    def orphans(self) -> list[psutil.Process]:
        """Return our services' processes, whoever is their parent now, supervisord among them."""
        import psutil

        home = str(self.place.home)
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                    continue
                # PostgreSQL overwrites its environment with its title, but keeps its folder in the command.
                command = process.cmdline()
                ours = any(argument.startswith(home + os.sep) for argument in command) and is_service(command)
                if ours or process.environ().get(MARK) == home:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def end_orphans(self) -> None:
        """End what a killed supervisord left behind: politely, so that data is saved, then by force."""
        import psutil

        left = self.orphans()
        for process in left:
            try:
                polite = signal.SIGINT if "postgres" in process.name() else signal.SIGTERM
                process.send_signal(polite)
            except psutil.Error:
                continue
        _, stubborn = psutil.wait_procs(left, timeout=15)
        for process in stubborn:
            try:
                process.kill()
            except psutil.Error:
                continue
        psutil.wait_procs(stubborn, timeout=5)

    # ------------------------------------------------------------------------------------------ how

    def _remove(self, name: str) -> None:
        self._call("stopProcessGroup", name, True)
        self._call("removeProcessGroup", name)

    def _service_file(self, name: str) -> Path:
        return self.folder / "services" / f"{name}.conf"

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            with self._calls() as calls:
                return getattr(calls.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise OrreryError(
                f"the process supervisor refused {method}: {fault.faultString}", next_step=f"see {self.log}"
            ) from fault
        except (OSError, http.client.HTTPException) as error:
            raise OrreryError(
                f"the process supervisor does not answer: {error}",
                next_step="run 'make up' to start it again",
            ) from error

    def _calls(self) -> xmlrpc.client.ServerProxy:
        return xmlrpc.client.ServerProxy("http://localhost/RPC2", transport=_OverUnixSocket(self.socket))

    def _make_private(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise OrreryError(f"{folder} belongs to somebody else", next_step="remove it, then run the command again")
        folder.chmod(0o700)

    def _configuration(self) -> str:
        user = "user=root\n" if os.geteuid() == 0 else ""  # says that being root is meant
        return (
            f"[unix_http_server]\nfile={escaped(self.socket)}\nchmod=0600\n\n"
            f"[supervisord]\n{user}logfile={escaped(self.log)}\nlogfile_maxbytes=1MB\nlogfile_backups=1\n"
            f"pidfile={escaped(self.folder / 'supervisord.pid')}\nchildlogdir={escaped(self.log.parent)}\n"
            "umask=022\nminfds=256\nminprocs=16\n\n"
            "[rpcinterface:supervisor]\n"
            "supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n"
            "[include]\nfiles=services/*.conf\n"  # relative to this file: absolute ones end at a space
        )

    def _section(self, name: str, program: Program) -> str:
        # supervisord gives each child a pipe as its standard input. Where nobody holds the other end, because the child
        # has closed it as MariaDB's server does, supervisord may look at it again and again without a pause, and take
        # half a core. So the child keeps it open under another number.
        command = ["/bin/sh", "-c", 'exec "$@" 9<&0', "sh", *program.command]
        variables = ",".join(f'{key}="{escaped(value)}"' for key, value in program.environment.items())
        user = f"user={program.user}\n" if program.user else ""
        return (
            f"[program:{name}]\ncommand={escaped(shlex.join(command))}\n{user}environment={variables}\n"
            "directory=/\nautostart=true\nautorestart=true\nstartsecs=1\nstartretries=10\n"
            f"stopsignal={program.stop_signal}\nstopwaitsecs={program.stop_timeout_s}\nkillasgroup=true\n"
            f"redirect_stderr=true\nstdout_logfile={escaped(self.place.log(name))}\n"
            "stdout_logfile_maxbytes=10MB\nstdout_logfile_backups=2\n"
        )


class _OverUnixSocket(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        """Return a connection to the socket instead of a host."""
        return _UnixConnection(self.path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=90)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def escaped(value: object) -> str:
    """Write a value so that supervisord reads it as it is."""
    return str(value).replace("%", "%%")


def is_service(command: Iterable[str]) -> bool:
    """Tell whether a command line is one that we start, and not an editor on one of our files."""
    return bool({"supervisor.supervisord", "-P", "-D"} & set(command))


def alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def wait_until(condition: Callable[[], object], seconds: float, what: str, next_step: str) -> None:
    """Wait until something is true, or raise an error that says it is not."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise OrreryError(f"{what} after {seconds:.0f} s", next_step=next_step)
        time.sleep(0.05)
