"""The answers of a policy scan as other tools read them: SARIF 2.1.0 and JUnit XML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as Xml

if TYPE_CHECKING:
    from infra.scan import Finding, Result

SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# GitHub sorts by these numbers; the boundaries between its four words are 9.0, 7.0 and 4.0.
_SCORES = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5"}


def sarif(results: Sequence[Result]) -> str:
    """Return failed and skipped answers as SARIF; a skipped one is suppressed, with its reason.

    Parameters
    ----------
    results : sequence of Result
        Of all runs; they come out as one.
    """
    found = sorted(each for result in results for each in (*result.failed, *result.skipped))
    rules = {each.check_id: each for each in found}
    driver = {
        "name": "orrery scan",
        "informationUri": "https://www.checkov.io/",
        "rules": [_rule(rules[check_id]) for check_id in sorted(rules)],
    }
    at = {check_id: index for index, check_id in enumerate(sorted(rules))}
    run = {"tool": {"driver": driver}, "results": [_result(each, at[each.check_id]) for each in found]}
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(finding: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {"id": finding.check_id, "shortDescription": {"text": finding.title}}
    if finding.guideline:
        rule["help"] = {"text": finding.guideline}
    if finding.severity in _SCORES:
        rule["properties"] = {"security-severity": _SCORES[finding.severity]}
    return rule


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": finding.file}}
    if finding.line:
        location["region"] = {"startLine": finding.line, "endLine": max(finding.line, finding.last_line)}
    result: dict[str, Any] = {
        "ruleId": finding.check_id,
        "ruleIndex": rule,
        "level": "note" if finding.suppressed else "error",
        "message": {"text": f"{finding.title}: {finding.address}"},
        "locations": [{"physicalLocation": location, "logicalLocations": [{"fullyQualifiedName": finding.address}]}],
        # Two stacks may break a policy with the same line of a module: the address tells them apart.
        "partialFingerprints": {"checkAndAddress/v1": f"{finding.check_id} {finding.address}"},
    }
    if finding.suppressed:
        result["suppressions"] = [{"kind": finding.suppressed, "justification": finding.reason}]
    return result


def junit(results: Sequence[Result]) -> str:
    """Return all answers as JUnit XML: a suite for each run, a case for each check of each resource."""
    root = Xml.Element("testsuites", name="orrery scan")
    for result in results:
        total = len(result.passed) + len(result.failed) + len(result.skipped)
        counts = {"tests": total, "failures": len(result.failed), "skipped": len(result.skipped), "errors": 0}
        about = {"name": f"checkov {result.framework}"} | {name: str(count) for name, count in counts.items()}
        suite = Xml.SubElement(root, "testsuite", about)
        for case, finding in _cases(suite, (*result.failed, *result.skipped, *result.passed)):
            where = f"{finding.file}:{finding.line}" if finding.line else finding.file
            if finding.suppressed:
                Xml.SubElement(case, "skipped", message=finding.reason)
            elif finding.state == "failed":
                failure = Xml.SubElement(case, "failure", type=finding.severity or "finding", message=finding.title)
                failure.text = "\n".join(filter(None, [where, finding.guideline]))
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _cases(suite: Xml.Element, findings: Iterable[Finding]) -> Iterable[tuple[Xml.Element, Finding]]:
    for each in sorted(findings):
        about = {"name": f"{each.check_id} {each.title}", "classname": each.address, "file": each.file}
        yield Xml.SubElement(suite, "testcase", about), each
