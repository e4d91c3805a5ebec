"""The broker's process: ``python -m infra.local.broker FOLDER PORT``."""

from __future__ import annotations

import asyncio
import resource
import signal
import sys
from pathlib import Path

from infra.errors import OrreryError
from infra.local.broker.server import Broker
from infra.local.service import HOST


async def main(folder: Path, port: int) -> None:
    """Serve until the process is told to stop."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # each segment is an open file
    try:
        broker = Broker(folder, HOST, port)
    except OrreryError as error:
        sys.exit(f"error: {error}")
    serving = asyncio.ensure_future(broker.serve())
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, serving.cancel)
    try:
        await serving
    except asyncio.CancelledError:
        print("kafka stops", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
