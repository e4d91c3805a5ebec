"""What a fault is, whom it strikes, when it ends, and what it does to bytes; each on purpose, and nothing else."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.errors import OrreryError
from infra.local import fault_client, faults
from infra.local.faults import Book, Fault, Front, Latency, Mistake, Running, TcpProxy
from infra.local.service import is_free

BYTES = Front(frozenset({"echo", "other"}), http=False)

GOOD = """\
# what the file is for
[[fault]]
kind = "delay"
region = "eu-west-1"
service = "cloudwatch"
operation = "PutMetricData"
latency_ms = { median = 100, p95 = 400 }
share = 0.5
seed = 7

[[fault]]
kind = "refuse"
region = "us-east-1"
"""


# -------------------------------------------------------------------------------------- definitions


def test_a_file_of_faults_is_read() -> None:
    slow, gone = faults.from_toml(GOOD, "drill.toml", fault_client.AWS)
    assert slow.service == "monitoring", "requests of CloudWatch are signed for monitoring"
    assert (slow.latency, slow.share, slow.seed) == (Latency("lognormal", 100, 400), 0.5, 7)
    assert gone == Fault("refuse", "us-east-1")


@pytest.mark.parametrize("fault", faults.from_toml(GOOD, "", fault_client.AWS), ids=str)
def test_a_fault_comes_back_from_its_own_table(fault: Fault) -> None:
    assert faults.from_table(json.loads(json.dumps(fault.as_table())), fault_client.AWS) == fault


@pytest.mark.parametrize(
    ("wrong", "line", "reason"),
    [
        ('kind = "delay"', 2, "delay needs latency_ms"),
        ('kind = "slow"', 3, "kind is one of refuse, hang"),
        ('region = "eu-west-1"', 2, "the kind is missing"),
        ('kind = "hang"\nregion = "mars-1"', 4, "region 'mars-1' has no port"),
        ('kind = "hang"\nregion = 3', 4, "region is a text"),
        ('kind = "hang"\nservice = "dynamo"', 4, "no request is for service 'dynamo'; near: dynamodb"),
        ('kind = "hang"\nservice = "s3"\noperation = "GetItem"', 5, "these have a name: AbortMultipartUpload"),
        ('kind = "hang"\nservice = "route53"\noperation = "GetHealthCheck"', 5, "by method and path"),
        ('kind = "hang"\noperation = "get item"', 4, "operation is a name"),
        ('kind = "refuse"\nservice = "s3"', 4, "refuse takes region, not service"),
        ('kind = "hang"\nshare = 0', 4, "share is a number above 0, at most 1"),
        ('kind = "hang"\nshare = nan', 4, "share is a number"),
        ('kind = "hang"\nshare = true', 4, "share is a number"),
        ('kind = "hang"\nseed = 1.5', 4, "seed is a whole number"),
        ('kind = "hang"\nlatency_ms = 5', 4, "hang takes region, service, operation, share, seed, not latency_ms"),
        ('kind = "delay"\nlatency_ms = -1', 4, "latency_ms is a number above 0"),
        ('kind = "delay"\nlatency_ms = { low = 5, high = 5 }', 4, "high has to be above low"),
        ('kind = "delay"\nlatency_ms = { median = 5 }', 4, "a number, {low, high}"),
        ('kind = "delay"\nlatency_ms = { median = 5, p95 = "x" }', 4, "latency_ms is a number"),
        ('kind = "throttle"\nbytes_per_s = 0', 4, "bytes_per_s is a whole number from 1"),
        ('kind = "drop"\nafter_bytes = -1', 4, "after_bytes is a whole number from 0"),
        ('kind = "error"\nstatus = 200', 4, "status is a whole number from 400 to 599"),
        ('kind = "error"\ncode = "a b"', 4, "code is an error's name"),
        ('kind = "hang"\n\n# share = 2\n"share" = 2', 6, "share is a number"),
        ('kind = "hang"\nkind = "drop"', 4, "Cannot overwrite a value"),
        ('kind = "hang', 3, "Illegal character"),
        ('kind = "hang"\n[other]', 4, "the file has [[fault]] tables, not 'other'"),
    ],
)
def test_a_mistake_is_refused_with_its_line_and_the_reason(wrong: str, line: int, reason: str) -> None:
    with pytest.raises(Mistake) as refused:
        faults.from_toml(f"# one\n[[fault]]\n{wrong}\n", "d.toml", fault_client.AWS)
    assert str(refused.value).startswith(f"d.toml:{line}: "), refused.value
    assert reason in str(refused.value)


def test_the_line_is_that_of_the_right_table_and_all_mistakes_are_told(tmp_path: Path) -> None:
    file = tmp_path / "d.toml"
    file.write_text(GOOD + '[[fault]]\nkind = "hang"\nshare = 2\n[[fault]]\nkind = "drop"\n')
    with pytest.raises(OrreryError) as refused:
        fault_client.from_file(file)
    assert refused.value.what.startswith(f"{file}:16: share is") and "1 more" in refused.value.what
    assert refused.value.details == f"{file}:17: drop needs after_bytes"


@pytest.mark.parametrize("text", ["", "fault = 1\n", "# nothing\n", "fault = []\n"])
def test_a_file_without_faults_is_refused(text: str) -> None:
    with pytest.raises(Mistake, match=r"^d.toml:1: there is no \[\[fault\]\] table"):
        faults.from_toml(text, "d.toml", fault_client.AWS)


@pytest.mark.parametrize(
    "table", [{"kind": "error"}, {"kind": "hang", "region": "eu-west-1"}, {"kind": "hang", "operation": "Get"}]
)
def test_what_only_http_has_is_refused_where_bytes_are_seen(table: dict[str, Any]) -> None:
    with pytest.raises(Mistake):
        faults.from_table(table, BYTES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("200", 200.0),
        ("median=100,p95=400", {"median": 100.0, "p95": 400.0}),
        ("soon", "soon"),
        ("low=1,high", "low=1,high"),
    ],
)
def test_a_latency_of_the_command_line(text: str, value: Any) -> None:
    assert fault_client.latency_value(text) == value


def test_latencies_follow_their_distribution() -> None:
    draw = lambda latency: sorted(latency.draw(generator) * 1000 for _ in range(4000))  # noqa: E731  # three times the same
    generator = random.Random(1)
    assert set(draw(Latency("constant", 30))) == {30.0}
    flat = draw(Latency("uniform", 10, 30))
    assert flat[0] >= 10 and flat[-1] <= 30 and abs(statistics.mean(flat) - 20) < 0.5
    tail = draw(Latency("lognormal", 100, 400))
    assert abs(tail[2000] - 100) < 8 and abs(tail[3800] - 400) < 50


# -------------------------------------------------------------------------------- shares and leases


def struck(seed: int, share: float = 0.3, calls: int = 200) -> list[bool]:
    running = Running(Fault("hang", share=share, seed=seed))
    return [running.strikes() for _ in range(calls)]


def test_a_share_is_struck_and_the_same_seed_strikes_the_same_calls() -> None:
    assert struck(7) == struck(7) != struck(8)
    assert 40 < sum(struck(7)) < 80
    assert all(struck(7, share=1.0))


def until(condition: Callable[[], Any], seconds: float = 5) -> Awaitable[None]:
    async def wait() -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited too long"
            await asyncio.sleep(0.005)

    return wait()


@asynccontextmanager
async def watched(book: Book) -> AsyncIterator[Book]:
    watching = asyncio.create_task(book.watch())
    try:
        yield book
    finally:
        watching.cancel()


def test_a_lease_that_nobody_renews_ends_its_owners_faults_and_no_others() -> None:
    async def test() -> None:
        async with watched(Book(BYTES)) as book:
            await book.put("short", [Fault("hang")], 0.1)
            await book.put("longer", [Fault("hang")], 60)
            await book.put("kept", [Fault("hang")])
            ended = book.active[0].ended
            await until(lambda: len(book.active) == 2)
            assert ended.is_set()
            assert [each["owner"] for each in book.listing()] == ["kept", "longer"]
            assert not await book.renew("short", 1), "its owner is told"

    asyncio.run(test())


def test_leases_end_also_after_one_whose_port_cannot_listen_again() -> None:
    async def test() -> None:
        async with watched(Book(BYTES)) as book:
            await book.put("one", [Fault("refuse")], 0.05)
            await book.put("two", [Fault("hang")], 0.2)

            async def fail() -> None:
                raise OSError("the port is taken")

            book.followers.append(fail)
            await until(lambda: not book.holdings)

    asyncio.run(test())


def test_a_renewed_lease_goes_on_and_keeps_the_sequence_of_its_seed() -> None:
    async def test() -> None:
        async with watched(Book(BYTES)) as book:
            await book.put("mine", [Fault("hang", share=0.5)], 0.2)
            running = book.active[0]
            for _ in range(8):
                await asyncio.sleep(0.05)
                assert await book.renew("mine", 0.2)
            assert book.active == (running,)

    asyncio.run(test())


def test_what_was_set_survives_a_kill_as_far_as_its_lease_lasts(tmp_path: Path) -> None:
    async def test() -> None:
        before = Book(BYTES, tmp_path / "faults.json")
        await before.put("cut", [Fault("refuse", service="echo")])
        await before.put("long", [Fault("delay", latency=Latency("uniform", 1, 2))], 60)
        await before.put("short", [Fault("hang")], 0.05)
        await asyncio.sleep(0.06)
        after = Book(BYTES, tmp_path / "faults.json")
        after.recall()
        assert [each["owner"] for each in after.listing()] == ["cut", "long"]
        assert after.listing()[1]["ends_in_s"] <= 60
        assert after.refused(service="echo") and not after.refused(service="other")
        (tmp_path / "faults.json").write_text('{"x": 1}')
        broken = Book(BYTES, tmp_path / "faults.json")
        broken.recall()
        assert broken.listing() == []

    asyncio.run(test())


# ------------------------------------------------------------------------------------- byte streams


def free_port() -> int:
    return next(port for port in iter(lambda: random.randrange(20_000, 30_000), 0) if is_free(port))


@asynccontextmanager
async def proxied(service: Callable[..., Awaitable[None]] | None = None) -> AsyncIterator[tuple[Book, int]]:
    """A proxy in front of a tiny server, which sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(service or echo, faults.HOST, 0)
    upstream = server.sockets[0].getsockname()[:2]
    async with watched(Book(BYTES)) as book:
        proxy = TcpProxy("echo", free_port(), upstream, book)
        await proxy.open()
        try:
            yield book, proxy.port.number
        finally:
            proxy.close()
            server.close()


async def exchange(port: int, data: bytes = b"ping", ends: bool = True) -> tuple[bytes, float]:
    started = time.monotonic()
    reader, writer = await asyncio.open_connection(faults.HOST, port)
    try:
        writer.write(data)
        if ends:
            writer.write_eof()
        return await reader.read(-1), time.monotonic() - started
    finally:
        writer.close()


def through(test: Callable[[Book, int], Awaitable[None]]) -> None:
    async def run() -> None:
        async with proxied() as (book, port):
            await asyncio.wait_for(test(book, port), 20)

    asyncio.run(run())


def test_bytes_pass_unchanged_without_a_fault_and_with_another_services() -> None:
    async def test(book: Book, port: int) -> None:
        large = random.Random(1).randbytes(3_000_000)
        assert (await exchange(port, large))[0] == large
        await book.put("me", [Fault("drop", service="other")])
        assert (await exchange(port, large))[0] == large
        assert book.active[0].met == 0

    through(test)


def test_refuse_closes_the_port_resets_what_is_open_and_ends() -> None:
    async def test(book: Book, port: int) -> None:
        reader, writer = await asyncio.open_connection(faults.HOST, port)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        await book.put("me", [Fault("refuse")])
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        with pytest.raises(ConnectionRefusedError):
            await exchange(port)
        assert not is_free(port), "nobody else may take it meanwhile"
        await book.clear(["me"])
        assert (await exchange(port))[0] == b"ping"

    through(test)


def test_hang_accepts_and_never_answers_and_resets_when_it_ends() -> None:
    async def test(book: Book, port: int) -> None:
        await book.put("me", [Fault("hang")], 60)
        waiting = asyncio.create_task(exchange(port, ends=False))
        await until(lambda: book.active[0].struck)
        assert not (await asyncio.wait({waiting}, timeout=0.2))[0]
        await book.clear()
        with pytest.raises(ConnectionResetError):
            await waiting
        assert (await exchange(port))[0] == b"ping"

    through(test)


def test_hang_strikes_connections_that_are_open_and_lets_go_of_clients_that_leave() -> None:
    async def test(book: Book, port: int) -> None:
        reader, writer = await asyncio.open_connection(faults.HOST, port)
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        before = len(asyncio.all_tasks())
        await book.put("me", [Fault("hang")], 60)
        writer.write(b"y")
        await until(lambda: book.active[0].struck)
        writer.close()
        await until(lambda: len(asyncio.all_tasks()) < before)

    through(test)


def test_delay_is_once_for_each_exchange_whatever_its_size() -> None:
    async def test(book: Book, port: int) -> None:
        await book.put("me", [Fault("delay", latency=Latency("constant", 150))])
        answer, seconds = await exchange(port, b"x" * 2_000_000)
        assert len(answer) == 2_000_000 and 0.15 <= seconds < 1.0
        reader, writer = await asyncio.open_connection(faults.HOST, port)
        started = time.monotonic()
        for _ in range(2):
            writer.write(b"x")
            await reader.read(1)
        assert 0.3 <= time.monotonic() - started < 1.0
        writer.close()

    through(test)


def test_throttle_slows_both_ways() -> None:
    async def test(book: Book, port: int) -> None:
        await book.put("me", [Fault("throttle", bytes_per_s=100_000)])
        answer, seconds = await exchange(port, b"x" * 50_000)
        assert len(answer) == 50_000 and 0.5 <= seconds < 3.0

    through(test)


def test_drop_resets_after_so_many_bytes_of_the_answer() -> None:
    async def test(book: Book, port: int) -> None:
        await book.put("me", [Fault("drop", after_bytes=1000)])
        reader, writer = await asyncio.open_connection(faults.HOST, port)
        writer.write(b"x" * 5000)
        assert await reader.readexactly(1000)
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        assert (await exchange(port, b"x" * 1000))[0] == b"x" * 1000, "a shorter answer arrives whole"

    through(test)


def test_a_share_of_connections_is_struck_each_as_a_whole() -> None:
    async def test(book: Book, port: int) -> None:
        await book.put("me", [Fault("drop", after_bytes=0, share=0.5, seed=3)])
        seen = []
        for _ in range(12):
            try:
                seen.append((await exchange(port))[0] == b"ping")
            except ConnectionResetError:
                seen.append(False)
        assert [not whole for whole in seen] == struck(3, share=0.5, calls=12)
        assert {True, False} == set(seen)

    through(test)


def test_a_service_that_is_down_looks_down_through_the_proxy() -> None:
    async def test() -> None:
        book = Book(BYTES)
        proxy = TcpProxy("echo", free_port(), (faults.HOST, free_port()), book)
        await proxy.open()
        with pytest.raises(ConnectionResetError):
            await exchange(proxy.port.number)
        proxy.close()

    asyncio.run(asyncio.wait_for(test(), 10))


# ------------------------------------------------------------------------------------------ control


def ask(book: Book, method: str, path: str = "", document: Any = None) -> tuple[int, Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"" if document is None else json.dumps(document).encode()}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(faults.control(book, {"path": faults.ADDRESS + path, "method": method}, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_an_owner_sets_lists_renews_and_ends_its_faults() -> None:
    book = Book(BYTES)
    hang = {"kind": "hang", "service": "echo"}
    assert ask(book, "PUT", "/me", {"faults": [hang], "lease_s": 5})[0] == 200
    listed = ask(book, "GET")[1]["holdings"]
    assert listed[0]["owner"] == "me" and listed[0]["faults"] == [{**hang, "met": 0, "struck": 0}]
    assert ask(book, "POST", "/me", {"lease_s": 5})[0] == 200
    assert ask(book, "POST", "/you", {"lease_s": 5})[0] == 404
    assert ask(book, "DELETE", "/me") == (200, {"cleared": ["me"]})
    assert ask(book, "DELETE") == (200, {"cleared": []})


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/me", {"faults": [{"kind": "hang"}, {"kind": "none"}]}),
        ("/me", {"faults": {"kind": "hang"}}),
        ("/me", {"faults": [], "lease_s": 0}),
        ("/me", {"faults": [], "lease_s": "long"}),
        ("/me", {"faults": [{"kind": "hang", "padding": "x" * 2_000_000}]}),
        ("/me", [1]),
        ("/a owner", {"faults": []}),
    ],
)
def test_what_is_refused_changes_nothing(path: str, document: Any) -> None:
    book = Book(BYTES)
    asyncio.run(book.put("me", [Fault("hang")]))
    status, told = ask(book, "PUT", path, document)
    assert status == 400 and told["error"]
    assert [running.fault for running in book.active] == [Fault("hang")]


def test_a_client_says_when_nothing_answers() -> None:
    client = fault_client.FaultClient(f"http://{faults.HOST}:{free_port()}")
    with pytest.raises(OrreryError, match="does not answer"), client.held([]):
        raise AssertionError("the block must not run")


def test_an_answer_that_is_written_in_two_pieces_does_not_wait_for_the_client() -> None:
    """A request took 45 ms through a region's port: its head went out, its body waited for an acknowledgement."""

    async def test() -> None:
        seen: list[int] = []

        async def serve(reader: asyncio.StreamReader, connection: faults.Connection) -> None:
            sock = connection.writer.get_extra_info("socket")
            seen.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            connection.writer.close()

        port = faults.Port(free_port(), serve)
        await port.follow(lambda: False)
        await asyncio.open_connection(faults.HOST, port.number)
        await until(lambda: seen)
        assert seen[0]
        port.close()

    asyncio.run(test())


def test_a_port_refuses_also_while_another_process_has_its_socket() -> None:
    """The gateway's child that saves the state has copies of all sockets, until it has closed them."""

    async def test() -> None:
        async def serve(reader: asyncio.StreamReader, connection: faults.Connection) -> None:
            connection.writer.close()

        port = faults.Port(free_port(), serve)
        await port.follow(lambda: False)
        assert port.server
        copies = [each.dup() for each in port.server.sockets]
        for _ in range(3):
            await port.follow(lambda: True)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(faults.HOST, port.number)
            assert not is_free(port.number)
            await port.follow(lambda: False)
            await asyncio.open_connection(faults.HOST, port.number)
        port.close()
        for each in copies:
            each.close()

    asyncio.run(test())


def test_a_closed_port_can_be_bound_again() -> None:
    async def test() -> None:
        port = faults.Port(free_port(), lambda reader, connection: asyncio.sleep(0))
        await port.follow(lambda: False)
        await port.follow(lambda: True)
        port.close()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind((faults.HOST, port.number))

    asyncio.run(test())
