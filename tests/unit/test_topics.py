"""Topics after a deployment: what is lacking, or refused, is one line with the next step."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra import targets, topics
from infra.errors import OrreryError
from infra.live import Live
from infra.output import Ui

DECLARED = {"orrery-x-readings": {"partitions": 3}}
OUTPUTS = {"bootstrap_servers": "127.0.0.1:1", "authentication": "none", "topics": json.dumps(DECLARED)}


def live(**outputs: Any) -> Live:
    return Live(targets.local({}, {}), {**OUTPUTS, **outputs}, Ui())


def test_a_stack_that_does_not_say_where_its_kafka_is_is_told_what_to_publish() -> None:
    lacking = Live(targets.local({}, {}), {"topics": "{}"}, Ui())
    with pytest.raises(OrreryError, match="not its Kafka's output 'bootstrap_servers'") as refused:
        topics.apply(lacking)
    assert (
        refused.value.next_step
        == "publish the module's outputs by their names: bootstrap_servers, authentication, topics"
    )


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        ({"authentication": "password"}, "KAFKA_AUTHENTICATION=password is none of none, iam"),
        ({"topics": json.dumps({"x": {"partitions": 0}})}, "x: partitions and replication are 1 at least"),
    ],
)
def test_what_the_job_refuses_is_told_with_its_own_words(outputs: dict[str, str], why: str) -> None:
    with pytest.raises(OrreryError) as refused:
        topics.apply(live(**outputs))
    assert refused.value.what == f"the topics can't be made: {why}"
    assert refused.value.next_step == "mend it, then deploy again: what is made stays"
