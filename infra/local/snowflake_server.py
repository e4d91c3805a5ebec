"""The process of the service ``snowflake``: fakesnow's server on files, so that tables outlive the process.

Run by the environment ``snowflake``, as a file: ``python -P snowflake_server.py PORT FOLDER``. fakesnow's own command
keeps everything in memory; a folder can be asked for by a session, but then no two sessions can have it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import uvicorn
from fakesnow.instance import FakeSnow
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def main(port: int, folder: str) -> None:
    """Serve until a signal comes."""
    server: Any = import_module("fakesnow.server")  # the package has a function of that name in front of it
    server.shared_fs = FakeSnow(db_path=folder)

    async def health(request: Request) -> JSONResponse:
        server.shared_fs.duck_conn.cursor().execute("select 1")
        return JSONResponse({"data": folder})

    server.app.router.routes.append(Route("/_orrery/health", health))
    # Each session would be a line in the log otherwise, and each statement another.
    uvicorn.run(server.app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
