"""SARIF and JUnit: what other tools read of a policy scan."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from infra import reports
from infra.scan import Finding, Result

FAILED = Finding(
    "ORR_6",
    "A bucket keeps versions",
    "medium",
    "module.s.aws_s3_bucket.b",
    "modules/x/main.tf",
    5,
    "docs/policies.md#orr_6",
    9,
)
COMMENT = Finding(
    "CKV_AWS_18",
    "Logging",
    "",
    "aws_s3_bucket.b",
    "modules/x/main.tf",
    5,
    "",
    9,
    "skipped",
    "inSource",
    "logs of logs & so on",
)
ACCEPTED = Finding(
    "ORR_3", "Dead letters", "medium", "module.s.f", "stacks/s/stack.py", 0, "", 0, "skipped", "external", "sync"
)
PASSED = Finding("ORR_7", "A lifecycle", "low", "aws_s3_bucket.b", "modules/x/main.tf", 5, "", 9, "passed")
RESULTS = [Result("terraform", (PASSED,), (), (COMMENT,)), Result("terraform_plan", (PASSED,), (FAILED,), (ACCEPTED,))]


@pytest.fixture
def run() -> dict[str, Any]:
    log = json.loads(reports.sarif(RESULTS))
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1) and log["$schema"].endswith("sarif-2.1.0.json")
    found: dict[str, Any] = log["runs"][0]
    return found


def test_sarif_has_what_failed_with_its_lines(run: dict[str, Any]) -> None:
    (result,) = [each for each in run["results"] if each["ruleId"] == "ORR_6"]
    assert result["level"] == "error" and "suppressions" not in result
    assert result["message"]["text"] == "A bucket keeps versions: module.s.aws_s3_bucket.b"
    (place,) = result["locations"]
    assert place["physicalLocation"] == {
        "artifactLocation": {"uri": "modules/x/main.tf"},
        "region": {"startLine": 5, "endLine": 9},
    }


def test_sarif_has_what_is_skipped_as_suppressed_with_its_reason(run: dict[str, Any]) -> None:
    found = {each["ruleId"]: each.get("suppressions") for each in run["results"]}
    assert found["CKV_AWS_18"] == [{"kind": "inSource", "justification": "logs of logs & so on"}]
    assert found["ORR_3"] == [{"kind": "external", "justification": "sync"}]


def test_sarif_leaves_out_what_passed(run: dict[str, Any]) -> None:
    assert "ORR_7" not in json.dumps(run)


def test_each_result_of_sarif_finds_its_rule(run: dict[str, Any]) -> None:
    rules = run["tool"]["driver"]["rules"]
    assert [rules[each["ruleIndex"]]["id"] for each in run["results"]] == [each["ruleId"] for each in run["results"]]
    assert len({each["id"] for each in rules}) == len(rules)
    by_id = {each["id"]: each for each in rules}
    assert by_id["ORR_6"]["properties"] == {"security-severity": "5.5"}
    assert "properties" not in by_id["CKV_AWS_18"]


def test_sarif_keeps_to_what_the_standard_demands(run: dict[str, Any]) -> None:
    """The demands of the SARIF 2.1.0 schema on what is written here; no package ships the schema itself."""
    assert run["tool"]["driver"]["name"]
    for result in run["results"]:
        assert set(result) <= {
            "ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints", "suppressions",
        }  # fmt: skip
        assert result["level"] in ("none", "note", "warning", "error")
        assert all(isinstance(each, str) for each in result["partialFingerprints"].values())
        for place in result["locations"]:
            assert not place["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
            region = place["physicalLocation"].get("region", {"startLine": 1, "endLine": 1})
            assert 1 <= region["startLine"] <= region["endLine"]
        assert all(each["kind"] in ("inSource", "external") for each in result.get("suppressions", []))


def test_junit_counts_and_names_each_case() -> None:
    suites = Xml.fromstring(reports.junit(RESULTS)).findall("testsuite")
    assert [(each.get("name"), each.get("tests"), each.get("failures"), each.get("skipped")) for each in suites] == [
        ("checkov terraform", "2", "0", "1"),
        ("checkov terraform_plan", "3", "1", "1"),
    ]
    (failure,) = suites[1].iter("failure")
    assert failure.text == "modules/x/main.tf:5\ndocs/policies.md#orr_6"
    assert [each.get("message") for each in suites[0].iter("skipped")] == ["logs of logs & so on"]
    (case,) = [each for each in suites[1].iter("testcase") if each.find("failure") is not None]
    assert (case.get("name"), case.get("classname")) == ("ORR_6 A bucket keeps versions", "module.s.aws_s3_bucket.b")


def test_the_same_answers_give_the_same_bytes() -> None:
    turned = [Result(each.framework, each.passed, each.failed[::-1], each.skipped[::-1]) for each in RESULTS]
    assert reports.sarif(turned) == reports.sarif(RESULTS) and reports.junit(turned) == reports.junit(RESULTS)
