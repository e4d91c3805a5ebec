"""The public name leads clients away from a region whose health check fails, as often in a row as deployed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from infra.drill.resolver import Record, Resolver, deployed

AWAY, HOME = "eu-west-1", "us-east-1"


def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never became so"
        threading.Event().wait(0.005)


class Regions:
    """Regions that are as healthy as the test says, and count how often they are asked."""

    def __init__(self) -> None:
        self.well = {AWAY: True, HOME: True}
        self.asked = {AWAY: 0, HOME: 0}
        self.heard: list[tuple[str, str]] = []

    def healthy(self, region: str, timeout_s: float) -> bool:
        self.asked[region] += 1
        return self.well[region]

    def note(self, what: str, region: str) -> None:
        self.heard.append((what, region))


@pytest.fixture
def regions() -> Regions:
    return Regions()


@pytest.fixture
def resolver(regions: Regions) -> Any:
    made = Resolver([Record(region, 0.02, 0.01, 3) for region in (AWAY, HOME)], regions.healthy, regions.note)
    made.start()
    yield made
    made.stop()


def test_a_client_is_led_to_its_own_region(resolver: Resolver) -> None:
    assert (resolver.client(AWAY).region(), resolver.client(HOME).region()) == (AWAY, HOME)


def test_it_is_led_away_and_back(resolver: Resolver, regions: Regions) -> None:
    client = resolver.client(AWAY)
    assert client.region() == AWAY
    regions.well[AWAY] = False
    until(lambda: ("unhealthy", AWAY) in regions.heard)
    until(lambda: client.region() == HOME)
    regions.well[AWAY] = True
    until(lambda: client.region() == AWAY)
    assert regions.heard == [("unhealthy", AWAY), ("healthy", AWAY)]


def test_two_failed_checks_are_not_three(regions: Regions) -> None:
    answers = [True, False, False, True, False, False, True]
    done = threading.Event()

    def healthy(region: str, timeout_s: float) -> bool:
        if answers:
            return answers.pop(0)
        done.set()
        return True

    made = Resolver([Record(AWAY, 1, 0.001, 3)], healthy, regions.note)
    made.start()
    assert done.wait(10)
    made.stop()
    assert regions.heard == []


def test_where_all_are_unhealthy_all_are_answered(resolver: Resolver, regions: Regions) -> None:
    regions.well = {AWAY: False, HOME: False}
    until(lambda: len(regions.heard) == 2)
    assert resolver.healthy == [AWAY, HOME]


def test_a_client_remembers_an_answer_for_its_time_to_live(regions: Regions) -> None:
    made = Resolver([Record(region, 3600, 0.01, 1) for region in (AWAY, HOME)], regions.healthy, regions.note)
    client = made.client(AWAY)
    assert client.region() == AWAY
    regions.well[AWAY] = False
    made.start()
    until(lambda: ("unhealthy", AWAY) in regions.heard)
    assert client.region() == AWAY and made.client(AWAY).region() == HOME
    made.stop()


def test_each_check_reports_the_verdict_for_the_metric(regions: Regions) -> None:
    told: list[tuple[str, bool]] = []
    regions.well[AWAY] = False
    record = Record(AWAY, 1, 0.001, 3, check="check-1")
    made = Resolver([record], regions.healthy, regions.note, report=lambda each, well: told.append((each.check, well)))
    made.start()
    until(lambda: len(told) >= 4)
    made.stop()
    assert told[:4] == [("check-1", True), ("check-1", True), ("check-1", False), ("check-1", False)]


def test_failover_leads_everybody_to_the_primary_while_it_is_healthy(regions: Regions) -> None:
    records = [Record(AWAY, 0.02, 0.01, 3, "SECONDARY"), Record(HOME, 0.02, 0.01, 3, "PRIMARY")]
    made = Resolver(records, regions.healthy, regions.note)
    made.start()
    clients = [made.client(home) for home in (AWAY, HOME)]
    assert [each.region() for each in clients] == [HOME, HOME]
    regions.well[HOME] = False
    until(lambda: [each.region() for each in clients] == [AWAY, AWAY])
    regions.well[AWAY] = False
    until(lambda: [each.region() for each in clients] == [HOME, HOME])
    assert [made.usual(home) for home in (AWAY, HOME)] == [HOME, HOME]
    made.stop()


def test_a_standby_that_is_sick_leads_nobody_anywhere(regions: Regions) -> None:
    records = [Record(AWAY, 0.02, 0.01, 1, "SECONDARY"), Record(HOME, 0.02, 0.01, 1, "PRIMARY")]
    made = Resolver(records, regions.healthy, regions.note)
    regions.well[AWAY] = False
    made.start()
    until(lambda: ("unhealthy", AWAY) in regions.heard)
    assert made.client(AWAY).region() == HOME
    made.stop()


@pytest.fixture
def zone() -> Iterator[tuple[Any, str]]:
    """Route 53 with a hosted zone."""
    with mock_aws():
        route53 = boto3.client("route53", region_name=HOME, aws_access_key_id="k", aws_secret_access_key="s")
        yield route53, route53.create_hosted_zone(Name="example.com", CallerReference="1")["HostedZone"]["Id"]


def kept(route53: Any, zone: str, region: str, how: dict[str, str]) -> None:
    """Make a record of the name with a health check."""
    config = {
        "Type": "HTTPS",
        "RequestInterval": 10,
        "FailureThreshold": 2,
        "FullyQualifiedDomainName": "a.example.org",
    }
    check = route53.create_health_check(CallerReference=region, HealthCheckConfig=config)["HealthCheck"]["Id"]
    record = {
        "Name": "users.example.com",
        "Type": "CNAME",
        "SetIdentifier": region,
        "TTL": 45,
        "HealthCheckId": check,
        "ResourceRecords": [{"Value": "a.example.org"}],
    }
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record | how}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)


def test_failover_records_are_read_with_their_roles(zone: tuple[Any, str]) -> None:
    for region, role in ((HOME, "PRIMARY"), (AWAY, "SECONDARY")):
        kept(*zone, region, {"Failover": role})
    found = [replace(each, check="") for each in deployed(*zone, "users.example.com")]
    assert found == [Record(AWAY, 45.0, 10.0, 2, "SECONDARY"), Record(HOME, 45.0, 10.0, 2, "PRIMARY")]


def test_records_and_checks_are_read_as_deployed(zone: tuple[Any, str]) -> None:
    kept(*zone, AWAY, {"Region": AWAY})
    (found,) = deployed(*zone, "users.example.com")
    assert found == Record(AWAY, 45.0, 10.0, 2, check=found.check) and found.check
    with pytest.raises(LookupError, match="no latency or failover records"):
        deployed(*zone, "nobody.example.com")
