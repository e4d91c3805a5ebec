"""Opens pages in the browser of this machine and tells what is to be seen; runs in the environment ``browser``.

Reads ``{"program": path, "views": [...]}`` from stdin and writes a list of what each view showed to stdout; what the
fields of a view mean says `tests.support.browser.View`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Tests stay on this machine, whatever a page asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


def shown(browser: Browser, view: dict[str, Any]) -> dict[str, Any]:
    """Open one page, in a profile of its own, and return what is to be seen of it."""
    size = {"width": view["width"], "height": view["height"]}
    context = browser.new_context(viewport=size, color_scheme=view["scheme"])
    page = context.new_page()
    page.emulate_media(media=view["media"])
    page.set_default_timeout(view["patience_s"] * 1000)
    console: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: console.append(f"error: {error}"))
    page.on("request", lambda request: requests.append(request.url[:200]))
    page.goto(view["url"], wait_until="load")
    for selector in view["clicks"]:
        page.click(selector)
    answers = {name: page.evaluate(script) for name, script in view["ask"].items()}
    if view["picture"]:
        page.screenshot(path=view["picture"], full_page=True)
    context.close()
    return {"console": console, "requests": requests, "answers": answers}


def main() -> None:
    """Answer what stdin asks."""
    asked = json.load(sys.stdin)
    with sync_playwright() as playwright:
        # Chromium's own sandbox refuses to work for root only.
        sandbox = os.geteuid() != 0
        browser = playwright.chromium.launch(
            executable_path=asked["program"], headless=True, chromium_sandbox=sandbox, args=FLAGS
        )
        answers = [shown(browser, view) for view in asked["views"]]
        browser.close()
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
