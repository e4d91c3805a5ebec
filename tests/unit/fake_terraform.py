"""A stand-in for terraform: does what the scenario beside its log says, and writes down how it was called.

``FAKE_TERRAFORM`` names a folder. ``scenario.json`` there maps a subcommand to what it does, by these keys:

``events``  a list of objects to print, one per line, as ``-json`` does
``text``    plain text to print
``stderr``  plain text to print on stderr
``code``    the exit code
``files``   file name to content, written into the working folder
``hang``    print, then wait for an interrupt; ``save_s`` seconds later write ``saved`` and end with ``code``
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

HOME = Path(os.environ["FAKE_TERRAFORM"])
interrupts = 0


def note(**facts: object) -> None:
    with open(HOME / "calls.jsonl", "a") as log:
        log.write(json.dumps(facts) + "\n")


def interrupted(*_: object) -> None:
    global interrupts
    interrupts += 1
    note(event="interrupt", pid=os.getpid())


arguments = sys.argv[1:]
what = json.loads((HOME / "scenario.json").read_text()).get(arguments[0], {})
signal.signal(signal.SIGINT, interrupted)
watched = {k: v for k, v in os.environ.items() if k.startswith(("TF_", "AWS_", "GOGC"))}
note(event="start", arguments=arguments, folder=os.getcwd(), pid=os.getpid(), environment=watched)
if arguments[0] == "init":
    Path(".terraform").mkdir(exist_ok=True)
for argument in arguments:
    if argument.startswith("-out="):
        Path(argument[5:]).write_text("a plan")
for event in what.get("events", []):
    print(json.dumps(event), flush=True)
print(what.get("text", ""), end="", flush=True)
print(what.get("stderr", ""), end="", file=sys.stderr, flush=True)
for name, content in what.get("files", {}).items():
    Path(name).write_text(content)
if what.get("hang"):
    deadline = time.monotonic() + 60
    while not interrupts and time.monotonic() < deadline:
        time.sleep(0.02)
    ends = time.monotonic() + what.get("save_s", 0.3)
    while time.monotonic() < ends:
        time.sleep(0.02)
    Path("saved").write_text("saved")
note(event="end", pid=os.getpid(), interrupts=interrupts)
sys.exit(what.get("code", 0))
