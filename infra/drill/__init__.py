"""Drills: break a deployed stack on purpose while clients use it, and measure what they noticed.

A stack names its workload in ``stack.toml`` and keeps its experiments, in the format of the Chaos Toolkit, in
``chaos/``. The engine starts the drill in an environment of its own (``requirements/drill.txt``); the parts:

- `ground`: where a drill takes place; `aws` is the one of a real account, `estimate` and `account` come before it;
- `experiment`: what an experiment's file says;
- `workload`: what a stack's load must be able to do, and the fleet of clients that does it at a set rate;
- `resolver`: the public name as Route 53 answers it, with health checks;
- `journal`: every call of every client, as it happened;
- `measure`: what the journal and the regions' final content say;
- `report`: that as Markdown, JSON and a timeline.
"""
