"""Connectors of a Kafka Connect worker as a stack declares them: applied, watched and removed by its REST API.

For the local worker; on AWS, MSK Connect's connectors are Terraform resources (module cdc_connector). A second
``apply`` changes nothing::

    python -m jobs.connectors --url http://127.0.0.1:8083 apply --connector connector.json
    python -m jobs.connectors --url http://127.0.0.1:8083 wait orrery-10-nova-shop
    python -m jobs.connectors --url http://127.0.0.1:8083 status        # also: restart, pause, resume, remove NAME

Where the declaration names a secret, ``apply`` writes its values to the file that the settings read; that needs boto3,
the rest nothing but Python. The worker's address is in ``CONNECT_URL`` otherwise.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 40
"""How long one request may take, in seconds: a worker tries to log in at the database before it answers."""
BUSY = (409, 503)
"""What a worker answers while it takes its connectors over."""
SETTLE_S = 2.0
"""How long a state has to stay, in seconds: after a restart a worker still tells what the task before it did."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SNAPSHOT_AGAIN = "take a new snapshot: remove the connector with --forget, and apply it again"
NO_POSITION = re.compile(r"Source offset '\w+' parameter is missing")
"""What Debezium says after it was killed when it had told of its first snapshot, and not found where the log is yet."""
REMEDIES = (
    (NO_POSITION.pattern, "it was ended before it had read anything: apply it again, which lets it begin anew"),
    (r"Access denied for user|password authentication failed", "check user and password in the secret, apply again"),
    (
        r"you need \(at least one of\) the|permission denied|must be (superuser|owner|replication)",
        "grant it what is named, restart it",
    ),
    (
        r"no longer available on the server|[Cc]ould not find first log file|binlog.*purged|purged required binary",
        SNAPSHOT_AGAIN,
    ),
    (
        r"can no longer (get|read) changes|slot .* (does not exist|is invalid|was invalidated)|requested WAL .*removed",
        SNAPSHOT_AGAIN,
    ),
    (r"slot .* is (already )?active", "stop the other connector with that slot, restart this one"),
    (
        r"Connection refused|Failed to establish connection|Communications link failure|UnknownHost"
        r"|[Tt]imed out|Timeout ?(Exception|expired)|history couldn't be recovered",
        "see that the database and Kafka run; restart it",
    ),
    (r"history topic or its content is (fully|partially)|history topic.*missing", SNAPSHOT_AGAIN),
)
"""What a failed task says, and what to do about it."""


class ConnectorRefused(Exception):
    """The worker refuses something, does not answer, or a connector has failed; one line, and the next step."""


@dataclass(frozen=True)
class Status:
    """What a connector and its tasks are doing.

    Parameters
    ----------
    name : str
    state : str
        ``RUNNING``, ``PAUSED``, ``STOPPED``, ``UNASSIGNED`` (it is about to start) or ``FAILED``; ``MISSING`` where
        there is none. A task that has failed makes the connector ``FAILED``.
    problem : str
        Why it has failed, in one line.
    next_step : str
        What to do about that.
    """

    name: str
    state: str
    problem: str = ""
    next_step: str = ""

    def line(self) -> str:
        """Return it in words."""
        return f"{self.name}: {self.state}" + (f": {self.problem}; next: {self.next_step}" if self.problem else "")


@dataclass(frozen=True)
class Declaration:
    """A connector as it is declared: what it is called, its settings, and where its secret is and goes."""

    name: str
    config: dict[str, str]
    secret: tuple[str, Path] | None


class Connect:
    """The REST API of a worker.

    Parameters
    ----------
    url : str
        Such as ``http://127.0.0.1:8083``.
    """

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConnectorRefused(f"{url!r} is no address of a worker; next: give --url http://host:port")
        self.url = url.rstrip("/")

    def names(self) -> list[str]:
        """Return the connectors that there are."""
        return sorted(self._ask("GET", "/connectors") or [])

    def apply(self, name: str, config: Mapping[str, str]) -> bool:
        """Make a connector, or change it; tell whether there was anything to do.

        Raises
        ------
        ConnectorRefused
            The worker does not take the settings; it tries a login with them.
        """
        wanted = {**config, "name": check_name(name)}
        if self._ask("GET", f"/connectors/{name}/config", missing=None) == wanted:
            return False
        try:
            self._ask("PUT", f"/connectors/{name}/config", wanted)
        except ConnectorRefused:
            if why := self._why_refused(wanted):
                raise ConnectorRefused(f"{why}; next: {remedy(why)}") from None
            raise
        return True

    def _why_refused(self, config: Mapping[str, str]) -> str:
        """Return what stands in the way of settings with which MySQL's driver makes its connection again and again.

        After its last attempt it says only that there is no connection; without that setting it says why.
        """
        once = {key: value for key, value in config.items() if not key.startswith("driver.autoReconnect")}
        if once == config:
            return ""
        plugin = str(config.get("connector.class", "")).rpartition(".")[2]
        found = self._ask("PUT", f"/connector-plugins/{plugin}/config/validate", once, missing=None) or {}
        return next((_line(text) for each in found.get("configs", []) for text in each["value"]["errors"]), "")

    def revive(self, name: str, *, renewed: bool = False) -> str:
        """Bring a connector up whose settings are as they should be, after what made it fail was mended.

        Parameters
        ----------
        name : str
        renewed : bool
            What it reads when it starts has changed, such as its secret.

        Returns
        -------
        str
            What was done, or is left to do, in words; empty when there was nothing. One that somebody paused stays so.
        """
        found = self.status(name)
        state = found.state
        if NO_POSITION.search(found.problem):
            self.stop(name)
            self._ask("DELETE", f"/connectors/{name}/offsets")
            self.resume(name)
            return "begun anew: it was ended before it had read anything"
        if state == "STOPPED":  # by a removal that was cut short: nobody else stops one
            self.resume(name)
            return "resumed"
        if state == "FAILED" or renewed:
            self.restart(name)
            return "restarted"
        return "as declared, and paused; next: resume it" if state == "PAUSED" else ""

    def status(self, name: str) -> Status:
        """Return what a connector is doing."""
        found = self._ask("GET", f"/connectors/{check_name(name)}/status", missing=None)
        if found is None:
            known = self._ask("GET", f"/connectors/{name}", missing=None)
            return Status(name, "MISSING" if known is None else "UNASSIGNED")
        parts = [found["connector"], *found["tasks"]]
        for part in parts:
            if part["state"] == "FAILED":
                problem = shorten(part.get("trace", ""))
                return Status(name, "FAILED", problem, remedy(part.get("trace", "")))
        if (state := found["connector"]["state"]) in ("STOPPED", "PAUSED"):
            return Status(name, state)
        states = {part["state"] for part in parts}
        return Status(name, states.pop() if len(states) == 1 and found["tasks"] else "UNASSIGNED")

    def wait(self, name: str, seconds: float = 60) -> Status:
        """Wait until a connector and its task run, and say so for `SETTLE_S`.

        Raises
        ------
        ConnectorRefused
            It has failed, or somebody stopped it, or it does not run after that time.
        """
        begun = since = time.monotonic()
        last = None
        while True:
            found, now = self.status(name), time.monotonic()
            if found != last:
                last, since = found, now
            late = now > begun + seconds
            if late or now >= since + SETTLE_S:
                if found.state == "RUNNING":
                    return found
                if found.state == "FAILED":
                    raise ConnectorRefused(found.line())
                if found.state in ("STOPPED", "PAUSED"):
                    step = f"python -m jobs.connectors --url {self.url} resume {name}"
                    raise ConnectorRefused(f"{name} is {found.state}, and does not go on by itself; next: {step}")
            if late:
                raise ConnectorRefused(f"{name} is {found.state} after {seconds:.0f} s; next: look at the worker's log")
            time.sleep(0.2)

    def restart(self, name: str) -> None:
        """Start a connector and its tasks again."""
        self._ask("POST", f"/connectors/{check_name(name)}/restart?includeTasks=true")

    def pause(self, name: str) -> None:
        """Let a connector wait; its database keeps what it has not read."""
        self._ask("PUT", f"/connectors/{check_name(name)}/pause")

    def stop(self, name: str) -> None:
        """Let a connector wait without a task, until it has none."""
        self._ask("PUT", f"/connectors/{check_name(name)}/stop")
        self._until(name, _has_stopped)

    def resume(self, name: str) -> None:
        """Let a paused or stopped connector go on."""
        self._ask("PUT", f"/connectors/{check_name(name)}/resume")

    def remove(self, name: str, *, forget: bool = False) -> bool:
        """Remove a connector; tell whether there was one.

        Parameters
        ----------
        name : str
        forget : bool
            How far it has read is forgotten as well: one of the same name begins with a snapshot. It has to be there.
            The slot of a PostgreSQL source and the topic of a schema history stay.
        """
        if self._ask("GET", f"/connectors/{check_name(name)}", missing=None) is None:
            return False
        if forget:
            self.stop(name)
            self._ask("DELETE", f"/connectors/{name}/offsets")
        self._ask("DELETE", f"/connectors/{name}")
        self._until(name, lambda found: found is None)
        return True

    def _until(self, name: str, wanted: Callable[[Any], bool]) -> None:
        """Wait until the worker has done what it said yes to: it tells of it by a connector's status."""
        deadline = time.monotonic() + TIMEOUT_S
        while not wanted(self._ask("GET", f"/connectors/{name}/status", missing=None)):
            if time.monotonic() > deadline:
                raise ConnectorRefused(f"{name} does not stop; next: look at the worker's log")
            time.sleep(0.1)

    def _ask(self, method: str, path: str, body: Any = None, missing: Any = ...) -> Any:
        """Return the answer to one request; `missing` for what there isn't, tried again while the worker is busy."""
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            try:
                return self._ask_once(method, path, body)
            except urllib.error.HTTPError as error:
                text = _message(error)
                if error.code == 404 and missing is not ...:
                    return missing
                busy = error.code in BUSY or "rebalance" in text
                if not busy or time.monotonic() > deadline:
                    raise ConnectorRefused(f"{text}; next: {remedy(text)}") from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = getattr(error, "reason", error)
                raise ConnectorRefused(
                    f"no Kafka Connect worker answers at {self.url}: {reason}; next: make up SERVICE=debezium"
                ) from None
            time.sleep(0.3)

    def _ask_once(self, method: str, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a worker is never behind a proxy
        with opener.open(request, timeout=TIMEOUT_S) as response:
            content = response.read()
        return json.loads(content) if content else None


def _has_stopped(found: Any) -> bool:
    return found is not None and found["connector"]["state"] == "STOPPED" and not found["tasks"]


def check_name(name: str) -> str:
    """Return the name of a connector, or refuse one that is none."""
    if not NAME.fullmatch(name):
        raise ConnectorRefused(f"{name!r} is no name; next: use letters, digits, '.', '_' and '-'")
    return name


def shorten(trace: str) -> str:
    """Return the line of a Java trace that says what happened: the innermost cause that has a text."""
    causes = re.findall(r"^(?:Caused by: )?([\w.$]+(?:Exception|Error)\b)(?:: (.*))?$", trace, re.MULTILINE)
    told = [text for _, text in causes if text and not re.match(r"[\w.$]+(Exception|Error)$", text)]
    line = told[-1] if told else (causes[-1][0] if causes else trace.strip().split("\n")[0])
    line = re.sub(r"\w+OffsetContext ?[\[{].*[\]}]", "where it was", line)  # pages of a position's parts
    return re.sub(r"\s+", " ", line).strip()[:300] or "it does not say why"


def remedy(trace: str) -> str:
    """Return what to do about a failed task."""
    for pattern, step in REMEDIES:
        if re.search(pattern, trace):
            return step
    return "look at the worker's log, mend it, then restart it"


def read_secret(arn: str) -> dict[str, str]:
    """Return the values of a secret in Secrets Manager. Needs boto3, and its usual environment.

    Raises
    ------
    ConnectorRefused
        Secrets Manager does not answer, or refuses, or the secret holds no object of texts.
    """
    import boto3  # what only talks to a worker does without
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        found = boto3.client("secretsmanager", region_name=arn.split(":")[3]).get_secret_value(SecretId=arn)
        values = json.loads(found["SecretString"])
        return {str(name): str(values[name]) for name in ("username", "password")}
    except (BotoCoreError, ClientError, IndexError) as error:
        raise ConnectorRefused(
            f"the secret {arn} can't be read: {error}; next: check its ARN and your rights"
        ) from error
    except (KeyError, TypeError, ValueError) as error:
        raise ConnectorRefused(f"the secret {arn} has no username and password; next: write them into it") from error


def read_declaration(path: Path) -> Declaration:
    """Return a connector as it is declared in a JSON file: name, settings, and the secret that they need, if any.

    Raises
    ------
    ConnectorRefused
        There is no such file, or it holds no connector.
    """
    step = "write the module's output `connector` into it, with terraform output -raw"
    try:
        found = json.loads(path.read_text())
        secret = found.get("secret")
        config = {str(key): str(value) for key, value in found["config"].items()}
        return Declaration(check_name(found["name"]), config, (secret["arn"], Path(secret["file"])) if secret else None)
    except OSError as error:
        raise ConnectorRefused(f"{path} can't be read: {error.strerror}; next: {step}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConnectorRefused(f"{path} holds no connector (name, config, secret); next: {step}") from error


def write_secrets(path: Path, values: Mapping[str, str]) -> bool:
    """Write what ``${file:…:name}`` in a connector's settings reads: a file that only its owner can read.

    Parameters
    ----------
    path : Path
        Its folder is the worker's, made for that.
    values : mapping
        Such as ``username`` and ``password``.

    Returns
    -------
    bool
        Whether that is another content than there was: a connector reads it when it starts, and never again.

    Raises
    ------
    ConnectorRefused
        The file can't be written.
    """
    lines = [f"{name}={_property(value)}\n" for name, value in values.items()]
    before = path.read_text(encoding="ascii", errors="replace") if path.exists() else None
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.writelines(lines)
        fresh.replace(path)
    except OSError as error:
        step = "start the worker, which makes the folder for its secrets: make up SERVICE=debezium"
        raise ConnectorRefused(f"{path} can't be written: {error.strerror}; next: {step}") from error
    return before != "".join(lines)


def _property(value: str) -> str:
    """Return a text as Java's property files have it."""
    units = value.encode("utf-16-be")
    numbers = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    return "".join(chr(each) if 32 < each < 127 and each != 0x5C else f"\\u{each:04x}" for each in numbers)


def _message(error: urllib.error.HTTPError) -> str:
    """Return what a worker says about an error, in one line."""
    try:
        text = str(json.loads(error.read())["message"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"the worker answers {error.code} {error.reason}"
    return _line(text)


def _line(text: str) -> str:
    """Return in one line what a worker says of settings that it refuses."""
    text = re.sub(r"\nYou can also find.*", "", text, flags=re.DOTALL)
    text = re.sub(r"^Connector configuration is invalid and contains the following \d+ error\(s\):\n", "", text)
    text = re.sub(r"Error during connection validation: |[\w.]+\.\w+Exception: ", "", text)
    return re.sub(r"\s*\n\s*", "; ", text.strip(" \n:"))[:500]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is done, 1 an error or a connector that has failed."""
    parser = argparse.ArgumentParser(prog="connectors", description="Connectors of a Kafka Connect worker.")
    parser.add_argument("--url", default=os.environ.get("CONNECT_URL", ""), help="the worker; CONNECT_URL else")
    commands = parser.add_subparsers(dest="command", required=True)
    applies = commands.add_parser("apply", help="make or change a connector")
    applies.add_argument("--connector", type=Path, required=True, help="a JSON file: the module's output `connector`")
    statuses = commands.add_parser("status", help="what connectors are doing")
    statuses.add_argument("name", nargs="?")
    for name, text in (("wait", "wait until it runs"), ("restart", "start it again"), ("pause", "let it wait")):
        commands.add_parser(name, help=text).add_argument("name")
    commands.choices["wait"].add_argument("--seconds", type=float, default=60.0)
    commands.add_parser("resume", help="let it go on").add_argument("name")
    removes = commands.add_parser("remove", help="remove a connector")
    removes.add_argument("name")
    removes.add_argument("--forget", action="store_true", help="forget how far it has read, too")
    try:
        return _run(parser.parse_args(arguments))
    except ConnectorRefused as error:
        print(f"error: {error}", file=sys.stderr)
    return 1


def _run(given: argparse.Namespace) -> int:
    connect = Connect(given.url)
    if given.command == "apply":
        declared = read_declaration(given.connector)
        name, renewed = declared.name, False
        if declared.secret:
            arn, file = declared.secret
            renewed = write_secrets(file, read_secret(arn))
        applied = connect.apply(name, declared.config)
        done = "applied" if applied else connect.revive(name, renewed=renewed) or "as declared"
        print(f"{name}: {done}")
    elif given.command == "status":
        found = [connect.status(name) for name in ([given.name] if given.name else connect.names())]
        for each in found:
            print(each.line())
        return 1 if any(each.state in ("FAILED", "MISSING") for each in found) else 0
    elif given.command == "wait":
        print(connect.wait(given.name, given.seconds).line())
    elif given.command == "remove":
        gone = connect.remove(given.name, forget=given.forget)
        print(f"{given.name}: {'removed' if gone else 'there is none'}")
    else:
        getattr(connect, given.command)(given.name)
        print(f"{given.name}: {given.command} asked for")
    return 0


if __name__ == "__main__":
    sys.exit(main())
