"""The local AWS in one process: MiniStack with moto behind it, on one port, and one more port per region.

Runs as a file in the environment ``local`` (``python -P aws_gateway.py settings.json``), kept alive by the
supervisor, so it imports nothing from ``infra``.

- A request goes to MiniStack. It goes to moto when only moto has the service that it is signed for, or when
  MiniStack answers "not implemented" and moto does better. With ``LOCAL_AWS=localstack`` the LocalStack
  container is asked first.
- Faults (``faults.py``, ``aws_faults.py``) strike what comes through a region's port: it refuses, or requests hang,
  are slow, fail. Code that runs in another region meets a region's faults through its own port too. The main port
  always answers: it is the operator's door.
- What tables and buckets write for other regions goes through a queue (``replication.py``, ``aws_replication.py``):
  it travels, and waits while its link is down.
- IAM is checked: the key ``test`` is the account's root, functions have their roles' grants (ADR 0010). What only
  moto has checks nothing.
- MiniStack saves its state when it is stopped; ``Saver`` also does after every change, so that a kill -9
  loses about a second. What only moto has is not kept over a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import importlib.util
import json
import logging
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit


def load_beside(name: str) -> Any:
    """Import a file beside this one, whose folder is not on the path: its names would hide others."""
    if __package__:  # a test imports this one as a part of ``infra``
        return importlib.import_module(f"{__package__}.{name}")
    spec = importlib.util.spec_from_file_location(f"orrery_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from infra.local import aws_faults, aws_replication, faults, replication
    from infra.local.faults import Connection, answer, headers_of, is_foreign, read_all
else:
    faults, aws_faults = load_beside("faults"), load_beside("aws_faults")
    replication, aws_replication = load_beside("replication"), load_beside("aws_replication")
    answer, headers_of, is_foreign, read_all = faults.answer, faults.headers_of, faults.is_foreign, faults.read_all

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("gateway")

HOST = "127.0.0.1"
SIGNED_FOR = re.compile(r"Credential=[^/\s]+/\d{8}/(?:(?P<region>[^/,\s]+)/)?(?P<service>[^/,\s]+)/aws4_request")
NOT_IMPLEMENTED = re.compile(
    rb"InvalidAction|UnknownOperation|NotImplemented|Unsupported service|[Nn]ot (?:yet )?implemented"
    rb"|Unknown (?:operation|action)|[Uu]nsupported (?:operation|action)|pro feature"
)
READ_ONLY = re.compile(r"^(?:Describe|List|Get|BatchGet|Query|Scan|Head|Lookup|Search|Select|Filter|Validate|Decode)")
LARGEST_ERROR = 64 * 1024


def prepare_environment(settings: dict[str, Any]) -> None:
    """Set what MiniStack and moto read from the environment, before either is imported.

    Lambda functions inherit this environment, so nothing private may be in it.
    """
    data = Path(settings["data"])
    temporary = data / "tmp"
    clear(temporary)
    os.environ.update(
        {
            "AUTH": "true",
            "AWS_DEFAULT_REGION": "us-east-1",
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(settings["port"]),
            "IOT_MTLS_ENABLED": "0",
            "LAMBDA_EXECUTOR": "local",
            "LOG_LEVEL": os.environ.get("LOG_LEVEL", "INFO"),
            "MINISTACK_ACCOUNT_ID": settings["account"],
            "MOTO_ACCOUNT_ID": settings["account"],
            "PERSIST_STATE": "1",
            "S3_DATA_DIR": str(data / "s3"),
            "S3_PERSIST": "1",
            "SFTP_ENABLED": "0",
            "STATE_DIR": str(data / "state"),
            "TMPDIR": str(temporary),
        }
    )


def clear(temporary: Path) -> None:
    """Empty the folder that functions run in; those that outlived a killed gateway end first."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(temporary):
                os.kill(int(process.name), signal.SIGKILL)
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, exist_ok=True)


def credential_scope(headers: dict[str, str], query: str) -> tuple[str, str] | None:
    """Return the region and the service that a request was signed for (header or presigned URL)."""
    found = SIGNED_FOR.search(headers.get("authorization", ""))
    if not found and "X-Amz-Credential" in query:
        values = parse_qs(query).get("X-Amz-Credential")
        found = SIGNED_FOR.search(f"Credential={values[0]}") if values else None
    return (found["region"] or "", found["service"].lower()) if found else None


def changes_something(method: str, headers: dict[str, str], query: str) -> bool:
    """Tell whether a request may have changed the emulator's state."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return False
    action = headers.get("x-amz-target", "").rpartition(".")[2] or (parse_qs(query).get("Action") or [""])[0]
    return not READ_ONLY.match(action)


def to_origin_form(scope: Scope) -> Scope:
    """Turn a proxy's absolute-form target (``GET http://host/path``) into a path and a Host header.

    The Terraform provider puts a prefix before the endpoint's host name for some services; such names don't
    resolve, so it is given this gateway as its HTTP proxy.
    """
    if "://" not in scope["path"][:9]:
        return scope
    target = urlsplit(scope["path"])
    raw = urlsplit(scope["raw_path"].decode("latin-1") if scope.get("raw_path") else scope["path"])
    kept = [(name, value) for name, value in scope["headers"] if name.lower() != b"host"]
    return {
        **scope,
        "path": target.path or "/",
        "raw_path": (raw.path or "/").encode("latin-1"),
        "headers": [*kept, (b"host", target.netloc.encode("latin-1"))],
    }


# ------------------------------------------------------------------------------------------ routing


class Router:
    """One ASGI application that knows which emulator answers a request."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import ministack.app as ministack
        from ministack.core import router

        # To learn whether a name that it doesn't know is a service of AWS, MiniStack would load the models
        # of all four hundred: ten seconds and 400 MB. Requests are signed for no other names: it always is.
        router._KNOWN_AWS_SERVICE_NAMES = EveryName()
        self.ministack: App = ministack.app
        self.handlers = ministack.SERVICE_HANDLERS
        self.detect_service = router.detect_service
        self.localstack: str = settings.get("localstack") or ""
        regions, links = tuple(settings["regions"]), aws_faults.LINKS
        front = faults.Front(aws_faults.SERVICES, regions, aws_faults.ALIASES, aws_faults.OPERATIONS, links=links)
        self.book = faults.Book(front, Path(settings["data"]) / "faults.json")
        self.gate = RegionGate(self, settings["regions"])
        self.saver = Saver(Path(settings["data"]) / "state", ministack._build_persistence_save_dict)
        paces = Path(settings["data"]) / "replication.json"
        self.replication = aws_replication.Replication(replication, self.book, paces, self.saver.changed)
        self.repeats = Repeats()
        self.settings = settings
        self._moto: Moto | None = None
        self._moto_lock = asyncio.Lock()

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        region: str = "",
        connection: Connection | None = None,
    ) -> None:
        """Answer one request; ``region`` is set when it came through a region's port."""
        if scope["type"] != "http":
            await self.ministack(scope, receive, send)
            return
        scope = to_origin_form(scope)
        headers = headers_of(scope)
        query = scope["query_string"].decode("latin-1")
        if scope["path"].startswith(("/_orrery/", "/_ministack/")) and is_foreign(headers):
            await answer(send, 403, {"error": "this address is not for web pages"})
            return
        if scope["path"].startswith("/_orrery/"):
            await self.manage(scope, receive, send)
            return
        signed = credential_scope(headers, query)

        async def execute(scope: Scope, receive: Receive, send: Send) -> None:
            await self.dispatch(scope, receive, send, headers, query, signed)
            if changes_something(scope["method"], headers, query):
                self.saver.changed()

        if self.book.active and connection:
            request = aws_faults.Request(region, scope, headers, query, signed)
            await aws_faults.answered(self.book, request, execute, scope, receive, send, connection)
        else:
            await execute(scope, receive, send)

    async def dispatch(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: dict[str, str],
        query: str,
        signed: tuple[str, str] | None,
    ) -> None:
        """Hand a request to the emulator that has its service."""
        service = self.detect_service(scope["method"], scope["path"], headers, parse_qs(query)) if signed else ""
        if not signed or service == "s3":
            # Unsigned requests are for what was deployed (an API, a function URL); objects may be large:
            # neither is held in memory here, and moto could not stand in for either.
            if self.localstack:
                await forward(self.localstack, scope, await read_all(receive), send)
            else:
                await self.ministack(scope, receive, send)
            return
        body = await read_all(receive)

        async def by_localstack(to: Send) -> None:
            await forward(self.localstack, scope, body, to)

        async def by_ministack(to: Send) -> None:
            await self.ministack(scope, replay(body), to)

        async def by_moto(to: Send) -> None:
            moto = await self.moto()
            if moto.has(*signed):
                await moto.app(scope, replay(body), to)
            else:
                await answer(to, 501, {"error": f"Not implemented: {signed[1]}"})

        # What runs for real (an API's functions) is never handed to moto, which only pretends.
        chain = [by_ministack, by_moto] if service in self.handlers else [by_moto, by_ministack]
        if service == "execute-api":
            chain = [by_ministack]
        elif self.localstack:
            chain = [by_localstack, *chain]
        call = headers.get("amz-sdk-invocation-id", "") if changes_something(scope["method"], headers, query) else ""
        await self.repeats.once(call, partial(first_that_can, chain), send)

    async def moto(self) -> Moto:
        """Return moto, imported when the first request needs it (it costs a second and 60 MB)."""
        async with self._moto_lock:
            if self._moto is None:
                self._moto = await asyncio.to_thread(Moto)
        return self._moto

    async def manage(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the gateway's own addresses: health, faults, replication."""
        if scope["path"] == "/_orrery/health":
            await answer(send, 200, self.health())
        elif scope["path"].startswith(faults.ADDRESS):
            await faults.control(self.book, scope, receive, send)
        elif scope["path"].startswith(replication.ADDRESS):
            body = await read_all(receive)
            await answer(send, *self.replication.control(scope["method"], scope["path"], body))
        else:
            await answer(send, 404, {"error": "unknown address"})

    def health(self) -> dict[str, Any]:
        """Return what ``orrery status`` shows."""
        return {
            "service": "aws",
            "data": self.settings["data"],
            "pid": os.getpid(),
            "faults": sorted(self.book.holdings),
            "moto_loaded": self._moto is not None,
            "saver": self.saver.report(),
        }


class EveryName:
    """A set that holds every name."""

    def __contains__(self, name: object) -> bool:
        return True


class Moto:
    """moto as an ASGI application, and which services it has."""

    def __init__(self) -> None:
        from a2wsgi import WSGIMiddleware
        from moto.moto_server.werkzeug_app import (
            SIGNING_ALIASES,
            DomainDispatcherApplication,
            create_backend_app,
        )

        self.dispatcher = DomainDispatcherApplication(create_backend_app)
        self.aliases = SIGNING_ALIASES
        self.app: App = WSGIMiddleware(self.dispatcher)

    def has(self, region: str, service: str) -> bool:
        """Tell whether moto knows a service by its signing name."""
        name = self.aliases.get(service, service)
        hosts = (
            f"{name}.{region}.amazonaws.com",
            f"{name}.amazonaws.com",
            f"api.{name}.{region}.amazonaws.com",
        )
        with contextlib.redirect_stdout(None):  # it prints advice to moto's own developers
            return any(self.dispatcher.get_backend_for_host(host) for host in hosts)


async def first_that_can(candidates: Sequence[Callable[[Send], Awaitable[None]]], send: Send) -> None:
    """Send the first answer that isn't "not implemented"; when the others fail too, send the first one's."""
    refused: list[MutableMapping[str, Any]] = []
    for candidate in candidates:
        answered = Answer(send, keep_errors=bool(refused))
        await candidate(answered)
        if not answered.held:
            return
        refused = refused or answered.held
    for message in refused:
        await send(message)


class Repeats:
    """Gives a call that comes again, because its answer was lost on the way, the answer that it had.

    An SDK whose connection breaks sends the same call once more, under the same invocation id. Executed twice, a
    creation would say that the thing is there already, and Terraform's provider waits minutes for some to go away.
    """

    KEPT = 512

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Future[list[MutableMapping[str, Any]]]] = {}

    async def once(self, call: str, execute: Callable[[Send], Awaitable[None]], send: Send) -> None:
        """Execute a call, or repeat the good answer that it had; ``call`` is its invocation id, empty for none."""
        if not call:
            await execute(send)
            return
        if call in self.answers and (answer := await self.answers[call]):
            log.warning("a call came twice and was executed once: %s", call)
            for message in answer:
                await send(message)
            return
        done: asyncio.Future[list[MutableMapping[str, Any]]] = asyncio.get_running_loop().create_future()
        self.answers[call] = done
        if len(self.answers) > self.KEPT:
            del self.answers[next(iter(self.answers))]
        kept: list[MutableMapping[str, Any]] = []

        async def keep(message: MutableMapping[str, Any]) -> None:
            kept.append(message)
            await send(message)

        try:
            await execute(keep)
        finally:
            # What failed may go better the second time.
            done.set_result(kept if kept and kept[0].get("status", 500) < 400 else [])


class Answer:
    """Passes an answer on while it is good, and holds back one that says "not implemented".

    With ``keep_errors`` it holds back every error: an emulator that was only asked because another one lacks
    the operation says "no such thing" about what the other one holds, and that would mislead.
    """

    def __init__(self, send: Send, *, keep_errors: bool = False) -> None:
        self.send = send
        self.keep_errors = keep_errors
        self.held: list[MutableMapping[str, Any]] = []
        self.status = 0

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if self.status < 400 or self.status == 0:
            await self.send(message)
            return
        self.held.append(message)
        if message["type"] == "http.response.start" or message.get("more_body"):
            return
        if not (self.keep_errors or self.not_implemented()):
            for held in self.held:
                await self.send(held)
            self.held = []

    def not_implemented(self) -> bool:
        """Tell whether the held answer says that the emulator lacks the operation."""
        body = b"".join(message.get("body", b"") for message in self.held)
        return self.status in (400, 404, 405, 500, 501) and bool(NOT_IMPLEMENTED.search(body[:LARGEST_ERROR]))


async def forward(base: str, scope: Scope, body: bytes, send: Send) -> None:
    """Pass a request on to the LocalStack container."""
    import urllib3

    pool = forward.__dict__.setdefault("pool", urllib3.PoolManager(maxsize=16, retries=False))
    raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    url = base + raw + (f"?{query}" if query else "")
    fetch = partial(pool.urlopen, scope["method"], url, body=body, redirect=False, timeout=60)
    try:
        got = await asyncio.to_thread(fetch, headers=urllib3.HTTPHeaderDict(headers), decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        await answer(send, 502, {"error": f"the LocalStack container does not answer: {error}"})
        return
    skipped = {"connection", "transfer-encoding", "content-length", "date"}
    out = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in got.headers.items() if k.lower() not in skipped]
    out.append((b"content-length", str(len(got.data)).encode()))
    await send({"type": "http.response.start", "status": got.status, "headers": out})
    await send({"type": "http.response.body", "body": got.data})


def replay(body: bytes) -> Receive:
    """Return a ``receive`` that gives a body that was read before."""
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


# ------------------------------------------------------------------------------------------ regions


class RegionGate:
    """The ports in front of the emulator, one per region; each refuses while a fault says so."""

    def __init__(self, router: Router, regions: dict[str, int]) -> None:
        self.router = router
        self.ports = {
            region: faults.Port(number, partial(self.serve, region, number)) for region, number in regions.items()
        }

    async def open(self) -> None:
        """Open every region's port, except for those that were cut when the process died."""
        from hypercorn.asyncio.worker_context import WorkerContext

        self.context = WorkerContext(None)
        self.router.book.followers.append(self.follow)
        await self.follow()

    async def follow(self) -> None:
        """Close and open the listeners as the faults say."""
        for region, port in self.ports.items():
            await port.follow(partial(self.router.book.refused, region=region))

    async def serve(self, region: str, number: int, reader: asyncio.StreamReader, connection: Connection) -> None:
        """Serve a connection to a region's port with the same HTTP server as the main port."""
        from hypercorn.app_wrappers import ASGIWrapper
        from hypercorn.asyncio.tcp_server import TCPServer

        app = ASGIWrapper(partial(self.router, region=region, connection=connection))
        loop = asyncio.get_running_loop()
        await TCPServer(app, loop, server_config(number), self.context, {}, reader, connection.writer)

    def close(self) -> None:
        """Stop accepting connections on all ports."""
        for port in self.ports.values():
            port.close()


def lambda_endpoints(ports: dict[str, int], main_port: int) -> None:
    """Make a function that runs in a region call AWS through that region's port.

    MiniStack points every function at its main port, which is never cut. It starts each one through its
    module's ``subprocess``, with the function's region in the environment: that is where the port is chosen.
    A function that sets ``AWS_ENDPOINT_URL`` itself keeps it.
    """
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    injected = {f"http://{host}:{main_port}" for host in ("127.0.0.1", "localhost")}

    def through_region(start: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        environment = kwargs.get("env")
        if environment and environment.get("AWS_ENDPOINT_URL", "").rstrip("/") in injected:
            port = ports.get(environment.get("AWS_REGION", ""), main_port)
            kwargs["env"] = {**environment, "AWS_ENDPOINT_URL": f"http://{HOST}:{port}"}
        return start(*args, **kwargs)

    for module in (lambda_runtime, lambda_svc):
        names = {name: getattr(subprocess, name) for name in subprocess.__all__}
        names["Popen"] = partial(through_region, subprocess.Popen)
        names["run"] = partial(through_region, subprocess.run)
        module.subprocess = SimpleNamespace(**names)


def loopback_counts_as_tls() -> None:
    """Let policies that refuse plain HTTP take every request for one over TLS.

    All ports are plain HTTP on loopback, and every module's policies refuse plain HTTP: they would refuse all.
    """
    import ministack.app as ministack

    pin = ministack.pin_request_origin
    ministack.pin_request_origin = lambda source_ip, _: pin(source_ip, True)


# ------------------------------------------------------------------------------------------- saving


class Saver:
    """Writes MiniStack's state soon after it changed, from a forked child.

    The child has a frozen copy of the memory, so it sees one consistent moment, and requests go on meanwhile;
    what they pay is the fork. Each service is written when it is due: the next time is at least ten times as
    far away as writing it took, so saving costs a tenth of a core at most, however much there is.
    """

    PAUSE = 0.5
    PAUSE_AFTER_FAILURE = 5.0
    SWEEP = 30.0
    LIMIT = 60

    def __init__(self, folder: Path, services: Callable[[], dict[str, Callable[[], Any]]]) -> None:
        self.folder = folder
        self.services = services
        self.changes = 0
        self.saved = 0
        self.due: dict[str, float] = {}
        self.seen: dict[str, int] = {}
        self.pending: dict[str, int] = {}
        self.child = 0
        self.last: dict[str, Any] = {}
        self.failure = ""

    def changed(self) -> None:
        """Note that a request may have changed something."""
        self.changes += 1

    def report(self) -> dict[str, Any]:
        """Return what the health address shows."""
        return {"changes": self.changes, "saved": self.saved, "failure": self.failure, **self.last}

    async def run(self) -> None:
        """Save whenever something changed, and now and then for what happens without a request."""
        swept = time.monotonic()
        while True:
            await asyncio.sleep(self.PAUSE)
            now = time.monotonic()
            sweep = now - swept > self.SWEEP
            names = [name for name in self.services() if self.stale(name, now, sweep)]
            if names:
                swept = now if sweep else swept
                await self.save(names)

    def stale(self, name: str, now: float, sweep: bool) -> bool:
        """Tell whether a service should be written now."""
        return (sweep or self.pending.get(name, -1) < self.changes) and self.due.get(name, 0.0) <= now

    async def save(self, names: list[str]) -> None:
        """Fork, let the child write, and read back what it did."""
        started, changes = time.monotonic(), self.changes
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads: see write_and_exit
            self.child = os.fork()
        if self.child == 0:
            self.write_and_exit(names, writer)
        forked = time.monotonic() - started
        os.close(writer)
        try:
            raw = await asyncio.to_thread(read_pipe, reader)
            _, status = await asyncio.to_thread(os.waitpid, self.child, 0)
        finally:
            self.child = 0
        now = time.monotonic()
        result = json.loads(raw) if raw else {}
        for name, (seconds, checksum) in result.get("done", {}).items():
            self.due[name] = now + max(self.PAUSE, 10 * seconds)
            self.seen[name] = checksum
            self.pending[name] = changes
        self.failure = result.get("failure") or ("" if status == 0 else f"saving ended with status {status}")
        if self.failure:
            log.error("state was not saved: %s", self.failure)
            self.due.update(dict.fromkeys(names, now + self.PAUSE_AFTER_FAILURE))
        # A service that was not due may hold an older change than those just written.
        self.saved = min((self.pending.get(name, 0) for name in self.services()), default=changes)
        self.last = {"fork_ms": round(forked * 1000, 2), "save_ms": round((now - started) * 1000, 1)}

    def write_and_exit(self, names: list[str], writer: int) -> None:
        """Write the services' states; runs in the child and never returns.

        Only this thread exists here. A lock that another thread held at the fork stays locked for ever, so an
        alarm ends a child that waits for one, and the next save tries again.
        """
        failure, done = "", {}
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(self.LIMIT)
            os.closerange(3, writer)
            os.closerange(writer + 1, 1 << 20)  # the ports must not outlive the parent
            from ministack.core import persistence

            states = self.services()
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / ".saving", "w")  # noqa: SIM115  # held until this process ends
            fcntl.flock(lock, fcntl.LOCK_EX)
            for name in names:
                started = time.monotonic()
                state = states[name]()
                if state is None:  # its module could not be loaded: what an earlier run saved stays
                    done[name] = (0.0, 0)
                    continue
                document = {"__ministack_format__": persistence._state_format_version(name), "payload": state}
                text = json.dumps(document, default=persistence._json_default).encode()
                checksum = zlib.crc32(text)
                if checksum != self.seen.get(name):
                    replace_file(self.folder / f"{name}.json", text)
                done[name] = (time.monotonic() - started, checksum)
        except BaseException as error:  # nothing may escape into the parent's code
            failure = f"{type(error).__name__}: {error}"
        os.write(writer, json.dumps({"done": done, "failure": failure}).encode())
        os._exit(0)

    def stop(self) -> None:
        """End a child that still writes: what follows at a clean stop is newer."""
        if self.child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child, signal.SIGKILL)


def wait_for_saver(folder: Path) -> None:
    """Wait for the child of a killed gateway: what it still writes is newer than what is there."""
    if folder.exists():
        with open(folder / ".saving", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(content)
    temporary.replace(path)


def read_pipe(descriptor: int) -> bytes:
    """Read a pipe to its end and close it."""
    with os.fdopen(descriptor, "rb") as pipe:
        return pipe.read()


# --------------------------------------------------------------------------------------------- main


def server_config(port: int) -> Any:
    """Return the HTTP server's settings for one port."""
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"{HOST}:{port}"]
    config.graceful_timeout = 1.0
    config.keep_alive_timeout = 75
    return config


def raise_file_limit() -> None:
    """Allow as many open connections as the system does: bursts go beyond the usual 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def serve(settings: dict[str, Any]) -> None:
    """Run until SIGTERM."""
    from hypercorn.asyncio import serve as serve_port

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    router = Router(settings)
    lambda_endpoints(settings["regions"], settings["port"])
    loopback_counts_as_tls()
    load_beside("aws_mends").apply()
    router.book.recall()
    router.replication.install()
    await router.gate.open()
    tasks = [asyncio.create_task(each) for each in (router.saver.run(), router.book.watch(), router.replication.run())]

    async def stopped() -> None:
        await stop.wait()
        router.gate.close()
        for task in tasks:
            task.cancel()
        router.saver.stop()

    await serve_port(router, server_config(settings["port"]), shutdown_trigger=stopped)


def main() -> None:
    """Read the settings file named on the command line and serve."""
    settings = json.loads(Path(sys.argv[1]).read_text())
    prepare_environment(settings)
    raise_file_limit()
    wait_for_saver(Path(settings["data"]) / "state")
    asyncio.run(serve(settings))


if __name__ == "__main__":
    main()
