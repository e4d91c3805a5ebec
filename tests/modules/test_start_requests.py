"""What the module spark_job asks EMR for, against EMR's own description of its API: shapes, lengths and patterns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from tests.modules.terraform_cli import copy_of_modules, run

pytestmark = pytest.mark.terraform


@pytest.fixture(scope="module")
def requests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the requests of the module's first test, which applies it: those in EMR's spelling, and the scheduler's."""
    module = copy_of_modules(tmp_path_factory.mktemp("requests")) / "spark_job"
    (file,) = module.glob("tests/*.tftest.hcl")
    begin, first, *_ = re.split(r'^(?=run ")', file.read_text(), flags=re.MULTILINE)
    file.write_text(begin + first)
    run(module, "init", "-backend=false", "-input=false", "-no-color")
    told = [json.loads(line) for line in run(module, "test", "-json", "-verbose").splitlines() if line.startswith("{")]
    (state,) = (line["test_state"] for line in told if line["type"] == "test_state")
    by_hand = state["outputs"]["start_requests"]["value"]
    schedules = [
        each["values"]["target"][0]["input"]
        for each in state["root_module"]["resources"]
        if each["type"] == "aws_scheduler_schedule"
    ]
    assert set(by_hand) == {"nightly", "speed"} and len(schedules) == 1
    return {name: json.loads(text) for name, text in by_hand.items()} | {"scheduled": json.loads(schedules[0])}


def in_the_apis_spelling(value: Any, inside: str = "") -> Any:
    """Return a scheduler's request with the names of members as EMR has them; keys of maps are nobody's names."""
    if isinstance(value, list):
        return [in_the_apis_spelling(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = inside in ("Properties", "LogTypes")
    names = {name: name if kept else name[0].lower() + name[1:] for name in value}
    return {names[name]: in_the_apis_spelling(each, name) for name, each in value.items()}


def refusals(shape: Any, value: Any, where: str = "") -> Iterator[str]:
    """Go through a request's texts that are not as the API's patterns and lengths want them."""
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from refusals(shape.members[name], each, f"{where}.{name}")
    elif shape.type_name == "list":
        for each in value:
            yield from refusals(shape.member, each, where)
    elif shape.type_name == "map":
        for name, each in value.items():
            yield from refusals(shape.key, name, f"{where}[]")
            yield from refusals(shape.value, each, f"{where}[{name}]")
    elif shape.type_name == "string":
        rules = shape.metadata
        if not rules.get("min", 0) <= len(value) <= rules.get("max", len(value)):
            yield f"{where} has {len(value)} characters"
        if "pattern" in rules and not re.fullmatch(rules["pattern"], value):
            yield f"{where} is {value!r}, not like {rules['pattern']}"


@pytest.mark.parametrize("name", ["nightly", "speed", "scheduled"])
def test_a_request_is_one_that_emr_takes(requests: dict[str, Any], name: str) -> None:
    model = botocore.session.Session().get_service_model("emr-serverless").operation_model("StartJobRun").input_shape
    request = {"clientToken": "added-by-the-client", **in_the_apis_spelling(requests[name])}
    if name == "scheduled":
        request["clientToken"] = request["clientToken"].strip("<>")  # the scheduler puts an id in its place
    assert not ParamValidator().validate(request, model).generate_report()
    assert list(refusals(model, request)) == []


def test_a_blank_setting_would_be_noticed(requests: dict[str, Any]) -> None:
    model = botocore.session.Session().get_service_model("emr-serverless").operation_model("StartJobRun").input_shape
    request = json.loads(json.dumps(requests["speed"]))
    request["configurationOverrides"]["applicationConfiguration"][0]["properties"]["spark.jars"] = ""
    assert any("spark.jars" in each for each in refusals(model, request))
