"""What smoke checks and runs can rely on: patience with an end, requests that reach the right region, signed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from infra import targets
from infra.errors import OrreryError
from infra.live import Live
from infra.output import Ui

ENVIRONMENT = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key"}


def live(**urls: str) -> Live:
    return Live(targets.local(ENVIRONMENT, urls), {}, Ui())


@pytest.mark.parametrize("empty", [None, False])
def test_waiting_ends_with_the_first_value(empty: Any) -> None:
    answers = iter([empty, empty, {"rows": 3}])
    assert live().wait("rows", lambda: next(answers)) == {"rows": 3}


@pytest.mark.parametrize("value", [0, "", []])
def test_an_empty_value_is_a_value(value: Any) -> None:
    assert live().wait("nothing", lambda: value, timeout_s=0) == value


def test_waiting_in_vain_says_what_for_and_how_long() -> None:
    started = time.monotonic()
    with pytest.raises(OrreryError) as caught:
        live().wait("the file to arrive", lambda: None, timeout_s=0.2)
    assert 0.2 <= time.monotonic() - started < 2
    assert caught.value.what == "waited 0 s in vain for the file to arrive"
    assert "make status" in caught.value.next_step


def test_an_error_while_waiting_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        live().wait("the impossible", lambda: 1 // 0)


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An HTTP server on loopback that notes what it is asked."""
    seen: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            seen.append({"path": self.path, "headers": dict(self.headers), "body": body})
            self.send_response(201)
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write("größer".encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", seen
        listening.shutdown()
        thread.join()


def test_a_request_goes_through_the_regions_port_under_the_apis_name(
    server: tuple[str, list[dict[str, Any]]],
) -> None:
    url, seen = server
    api = "https://abc123.execute-api.eu-west-1.amazonaws.com/users/ada?full=1"
    there = live(**{"eu-west-1": url})
    answer = there.http("PUT", api, "eu-west-1", '{"name": "Ada"}', {"If-Match": '"1"'})
    assert (answer.status, answer.headers["etag"], answer.body) == (201, '"1"', "größer")
    (request,) = seen
    assert request["path"] == "/users/ada?full=1" and request["body"] == '{"name": "Ada"}'
    assert request["headers"]["Host"] == "abc123.execute-api.eu-west-1.amazonaws.com"
    assert request["headers"]["If-Match"] == '"1"'
    assert "eu-west-1/execute-api/aws4_request" in request["headers"]["Authorization"]


def test_a_region_that_is_cut_off_is_an_error_at_once() -> None:
    with pytest.raises(ConnectionRefusedError):
        live(**{"eu-west-1": "http://127.0.0.1:9"}).http("GET", "https://a.example.com/ready", "eu-west-1")
