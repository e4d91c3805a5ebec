"""The process of the service ``cron``: looks every second at the crontabs in its folder, and runs what is due.

It runs in the environment ``cron``, as a file: ``cron_server.py FOLDER PORT``.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from jobs.crontab import CrontabError, Scheduler, parse
from jobs.metrics import log

EVERY_S = 1.0


class Crontabs:
    """The crontabs of a folder, each with its scheduler.

    Parameters
    ----------
    folder : Path
        ``crontabs`` in it has one JSON file for each, ``runs`` what is remembered.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.Lock()
        self.known: dict[str, tuple[str, Scheduler]] = {}
        self.broken: dict[str, str] = {}

    def tick(self, now: datetime) -> None:
        """Take in what changed in the folder, and run what is due."""
        with self.lock:
            found = {path.stem: path for path in (self.folder / "crontabs").glob("*.json")}
            for name in [name for name in self.known if name not in found]:
                self.known.pop(name)[1].stop()
            for forgotten in (self.folder / "runs").iterdir():
                if forgotten.name not in found:
                    shutil.rmtree(forgotten, ignore_errors=True)
            self.broken = {name: error for name, error in self.broken.items() if name in found}
            for name, path in found.items():
                self._take(name, path)
                if name in self.known:
                    self.known[name][1].tick(now)

    def _take(self, name: str, path: Path) -> None:
        """Read a crontab, unless it is as it was."""
        try:
            wanted = json.loads(path.read_text())
            text = Path(wanted["file"]).read_text()
            told = json.dumps([text, wanted["settings"]])
            if self.known.get(name, ("",))[0] == told:
                return
            scheduler = Scheduler(name, parse(text, wanted["settings"]), self.folder / "runs" / name)
        except (OSError, ValueError, KeyError, CrontabError) as error:
            if self.broken.get(name) != str(error):
                log("error", "unreadable", crontab=name, error=str(error))
            self.broken[name] = str(error)
            return
        self.broken.pop(name, None)
        if name in self.known:
            scheduler.running = self.known[name][1].running
        self.known[name] = (told, scheduler)
        log("info", "installed", crontab=name, entries=len(scheduler.entries))

    def status(self) -> dict[str, Any]:
        """Return what there is, for whoever asks on the port."""
        with self.lock:
            now = datetime.now(UTC)
            crontabs = {name: scheduler.status(now) for name, (_, scheduler) in self.known.items()}
            return {"data": str(self.folder), "crontabs": crontabs, "unreadable": dict(self.broken)}

    def stop(self) -> None:
        """End what runs: its databases are about to stop too."""
        with self.lock:
            for _, scheduler in self.known.values():
                scheduler.stop()


def serve(crontabs: Crontabs, port: int) -> ThreadingHTTPServer:
    """Answer on the port, from a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(crontabs.status()).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing: the health check asks often."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main(arguments: list[str]) -> int:
    """Run until told to stop."""
    folder, port = Path(arguments[0]), int(arguments[1])
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    crontabs = Crontabs(folder)
    server = serve(crontabs, port)
    while not ended.is_set():
        crontabs.tick(datetime.now(UTC))
        ended.wait(EVERY_S)
    crontabs.stop()
    server.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
