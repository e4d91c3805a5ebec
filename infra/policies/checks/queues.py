"""ORR_15: a queue has a dead-letter queue."""

from __future__ import annotations

from infra.policies.base import Policy, Resource, document, planned, text, value

LAST_STOP = "-dlq"
"""How the name of a queue ends that keeps what others could not handle."""


class Redrive(Policy):
    """A dead-letter queue itself is the end: by its name, or by the queues that it takes messages from."""

    policy = "ORR_15"
    types = ("aws_sqs_queue",)

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the queue's redrive policy."""
        if not planned(resource):
            return None
        is_last = text(resource, "name").endswith(LAST_STOP) or bool(document(resource, "redrive_allow_policy"))
        return is_last or value(resource, "redrive_policy") is not None


CHECKS = (Redrive(),)
