"""Measure what the layer of faults adds to a request when no fault strikes it, and write it into docs/benchmarks.md.

An open loop sends so many requests a second over loopback to one trivial application: HTTP as the gateway serves it,
and bytes through a `TcpProxy`. A request counts from the moment that it is due. In each run every other request goes
through the layer and the others do not: what else the machine does strikes both alike. "The same again" has no layer on
either side: what it adds is noise. "Others set" is three faults that don't meet the request. Runs take turns, and the
table has medians over the rounds. Client and server get a higher priority where that is allowed.

Usage: ``.venv/bin/python -P scripts/bench_faults.py``; `make bench` calls it too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

HOST = "127.0.0.1"
BUDGET_MS = 2.0
PLAIN = "without the layer, the same again"
LAYERS = ("no fault set", "others set")
RUNS = [(wire, mode) for wire in ("HTTP", "TCP") for mode in (PLAIN, *LAYERS)]
OTHERS = (
    {"kind": "delay", "region": "us-east-1", "service": "dynamodb", "latency_ms": 500},
    {"kind": "error", "region": "eu-west-1", "service": "dynamodb", "operation": "PutItem"},
    {"kind": "hang", "region": "eu-west-1", "service": "s3", "share": 0.5},
)
BODY = b'{"TableName": "users", "Key": {"id": {"S": "0123456789"}}}'.ljust(512)
ANSWER = b"x" * 512
REQUEST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nAmz-Sdk-Invocation-Id: 5b1c0a1e-0000-4000-8000-000000000001\r\n"
    b"Authorization: AWS4-HMAC-SHA256 Credential=test/20261121/eu-west-1/dynamodb/aws4_request, "
    b"SignedHeaders=host, Signature=" + b"0" * 64 + b"\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY

# -------------------------------------------------------------------------------------- the server


async def trivial(scope: Any, receive: Any, send: Any) -> None:
    """Read the request and answer 512 bytes."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


async def route(book: Any, scope: Any, receive: Any, send: Any, connection: Any) -> None:
    """Do what the gateway does with a request, around the trivial application."""
    from infra.local import aws_faults, aws_gateway
    from infra.local.faults import headers_of

    headers, query = headers_of(scope), scope["query_string"].decode("latin-1")
    signed = aws_gateway.credential_scope(headers, query)
    if book and book.active:
        request = aws_faults.Request("eu-west-1", scope, headers, query, signed)
        await aws_faults.answered(book, request, trivial, scope, receive, send, connection)
    else:
        await trivial(scope, receive, send)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer 512 bytes with 512 bytes."""
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


async def serve(ports: dict[str, int]) -> None:
    """Serve all modes from one process, until it is stopped."""
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.asyncio.tcp_server import TCPServer
    from hypercorn.asyncio.worker_context import WorkerContext

    from infra.local import aws_faults, aws_gateway, faults

    context, loop = WorkerContext(None), asyncio.get_running_loop()
    front = faults.Front(aws_faults.SERVICES | {"echo", "other"}, ("us-east-1", "eu-west-1"))
    books: list[Any] = [None, faults.Book(front), faults.Book(front)]
    await books[2].put("bench", [faults.from_table(dict(table), front) for table in OTHERS])

    async def http(book: Any, number: int, reader: asyncio.StreamReader, connection: Any) -> None:
        app: Any = ASGIWrapper(partial(route, book, connection=connection))
        config = aws_gateway.server_config(number)
        await TCPServer(app, loop, config, context, {}, reader, connection.writer)

    for mode, book in zip((PLAIN, *LAYERS), books, strict=True):
        number = ports[f"HTTP {mode}"]
        await faults.Port(number, partial(http, book, number)).follow(lambda: False)
    plain = ports[f"TCP {PLAIN}"]
    await asyncio.start_server(echo, HOST, plain)
    for mode, book in zip(LAYERS, books[1:], strict=True):
        await faults.TcpProxy("echo", ports[f"TCP {mode}"], (HOST, plain), book).open()
    print("ready", flush=True)
    await asyncio.Event().wait()


# -------------------------------------------------------------------------------------- the client


@dataclass(frozen=True)
class Run:
    """One mode in one round: its latencies in ms and what it added, and the server's CPU seconds for both loops."""

    p50: float
    p99: float
    added_p50: float
    added_p99: float
    cpu: float


class Client:
    """Connections that are kept open, as an SDK keeps them."""

    def __init__(self, wire: str, port: int) -> None:
        self.port = port
        self.sent, self.size = (REQUEST, 0) if wire == "HTTP" else (BODY, len(BODY))
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.took: list[float] = []

    async def call(self, due: float) -> None:
        """Send one request and wait for its answer."""
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(HOST, self.port)
        writer.write(self.sent)
        if self.size:
            await reader.readexactly(self.size)
        else:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            await reader.readexactly(len(ANSWER))
        self.took.append(time.monotonic() - due)
        self.idle.append((reader, writer))

    async def warm_up(self) -> None:
        """Open connections."""
        await asyncio.gather(*(self.call(0.0) for _ in range(8)))
        self.took.clear()

    def result(self) -> tuple[float, float]:
        """Return p50 and p99 in ms."""
        took = sorted(1000 * each for each in self.took)
        return statistics.median(took), took[int(0.99 * len(took))]


async def load(clients: Sequence[Client], rate: float, seconds: float) -> None:
    """Send at a rate, from each client in turn, whether or not answers come."""
    for client in clients:
        await client.warm_up()
    calls, started = [], time.monotonic()
    for number in range(int(rate * seconds)):
        due = started + number / rate
        await asyncio.sleep(due - time.monotonic())
        calls.append(asyncio.create_task(clients[number % len(clients)].call(due)))
    await asyncio.gather(*calls)
    for client in clients:
        for _, writer in client.idle:
            writer.close()


def run_once(wire: str, mode: str, ports: dict[str, int], server: int, rate: float, seconds: float) -> Run:
    """Measure one mode once, beside the application without the layer."""
    import psutil

    process = psutil.Process(server)
    clients = [Client(wire, ports[f"{wire} {PLAIN}"]), Client(wire, ports[f"{wire} {mode}"])]
    before = process.cpu_times()
    asyncio.run(load(clients, rate, seconds))
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    (plain_p50, plain_p99), (p50, p99) = (client.result() for client in clients)
    return Run(p50, p99, p50 - plain_p50, p99 - plain_p99, cpu)


def rounds(ports: dict[str, int], server: int, count: int, rate: float, seconds: float) -> list[list[Run]]:
    """Measure all modes in turns."""
    return [[run_once(*each, ports, server, rate, seconds) for each in RUNS] for _ in range(count)]


def table(found: Sequence[Sequence[Run]], seconds: float) -> tuple[list[str], list[str]]:
    """Return the table's lines, and the modes that add more than they may."""
    lines = [
        f"| | p50 ms | p99 ms | added p50 ms | added p99 ms | server CPU s in {seconds:g} s | budget | kept |",
        "|---|--:|--:|--:|--:|--:|---|---|",
    ]
    broken = []
    for number, (wire, mode) in enumerate(RUNS):
        runs = [each[number] for each in found]
        p50, p99, added_p50, added_p99, cpu = (
            statistics.median(getattr(run, value) for run in runs)
            for value in ("p50", "p99", "added_p50", "added_p99", "cpu")
        )
        over = mode != PLAIN and added_p99 > BUDGET_MS
        broken += [f"{wire}, {mode}"] if over else []
        verdict = " | " if mode == PLAIN else f"≤ {BUDGET_MS:g} ms at p99 | {'no' if over else 'yes'}"
        figures = f"{p50:.2f} | {p99:.2f} | {added_p50:.2f} | {added_p99:.2f} | {cpu:.2f}"
        lines.append(f"| {wire}, {mode} | {figures} | {verdict} |")
    return lines, broken


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on."""
    sockets = [socket.create_server((HOST, 0)) for _ in range(count)]
    numbers = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return numbers


def main() -> int:
    """Measure, write the table, and fail when the budget is not kept."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--rate", type=float, default=300, help="requests a second (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=4, help="for each run (default: %(default)s)")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(json.loads(options.serve)))
        return 0
    from infra.docs import write_section
    from infra.local.cloud import interpreter

    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    ports = dict(zip([f"{wire} {mode}" for wire, mode in RUNS], free_ports(len(RUNS)), strict=True))
    python = interpreter("local", lambda line: print(line, file=sys.stderr))
    command = [str(python), "-P", __file__, "--serve", json.dumps(ports)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        if not server.stdout or server.stdout.readline() != "ready\n":
            raise SystemExit("the server did not start")
        rounds(ports, server.pid, 1, options.rate, 1)  # warms up
        found = rounds(ports, server.pid, options.rounds, options.rate, options.seconds)
    finally:
        server.terminate()
        server.wait()
    lines, broken = table(found, options.seconds)
    where = f"{os.cpu_count()} cores shared by client and server, Python {platform.python_version()}"
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    what = (
        f"{options.rate:g} requests a second for {options.seconds:g} s, half through the layer, {options.rounds} rounds"
    )
    text = "\n".join([*lines, "", f"{what}. {time.strftime('%Y-%m-%d')}, {where}, {load}."])
    write_section(ROOT / "docs" / "benchmarks.md", "bench_faults", text)
    print(text)
    if broken:
        print(f"over budget: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
