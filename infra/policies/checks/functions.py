"""ORR_3 to ORR_5: a function keeps failed events, has a timeout, and logs into a group that ends."""

from __future__ import annotations

from infra.policies.base import Policy, Resource, block, means, planned, text, value

AWS_DEFAULT_TIMEOUT_S = 3


class FunctionPolicy(Policy):
    """What these policies look at."""

    types = ("aws_lambda_function",)


class DeadLetters(FunctionPolicy):
    """Who calls a function can't be read from a plan: one that nobody calls asynchronously is accepted by its stack."""

    policy = "ORR_3"

    def keeps(self, resource: Resource) -> bool | None:
        """Look for a dead-letter queue of the function, or a destination on failure."""
        if not planned(resource):
            return None
        configured = self.attached(resource, "aws_lambda_function_event_invoke_config", "function_name")
        destinations = [text(block(each, "destination_config", "on_failure"), "destination") for each in configured]
        return bool(text(block(resource, "dead_letter_config"), "target_arn")) or any(destinations)


class Timeout(FunctionPolicy):
    """In a plan, a timeout that nobody set and AWS's default are the same number."""

    policy = "ORR_4"

    def keeps(self, resource: Resource) -> bool | None:
        """Look whether there is another timeout than the default."""
        return value(resource, "timeout") not in (None, AWS_DEFAULT_TIMEOUT_S)


class LogGroup(FunctionPolicy):
    """The group that the function names, or the one that Lambda takes by default."""

    policy = "ORR_5"

    def keeps(self, resource: Resource) -> bool | None:
        """Look for the group among the plan's resources, and for its retention; 0 means for ever."""
        if not planned(resource):
            return None
        default = f"/aws/lambda/{text(resource, 'function_name')}"
        name = text(block(resource, "logging_config"), "log_group") or default
        groups = [each for each in self.near(resource, "aws_cloudwatch_log_group") if means(name, each)]
        return bool(groups) and all(value(each, "retention_in_days") for each in groups)


CHECKS = (DeadLetters(), Timeout(), LogGroup())
