"""Start a module of the package as Python's -m does: its name is the first argument, the rest is its own."""

import runpy
import sys

module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
