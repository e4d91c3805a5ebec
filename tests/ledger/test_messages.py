"""Queues and topics: what arrives where, and who may send."""

from __future__ import annotations

import json

import pytest

from tests.support.local_aws import LocalAws, allow, deny, failure, policy, refused, until, works_now

pytestmark = pytest.mark.e2e


def test_a_message_that_is_received_too_often_goes_to_the_dead_letter_queue(aws: LocalAws, name: str) -> None:
    dead = aws.queue(f"{name}-dead")
    redrive = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})
    queue = aws.queue(name, RedrivePolicy=redrive, VisibilityTimeout="0")
    aws.client("sqs").send_message(QueueUrl=queue.url, MessageBody="poison")
    assert aws.message(queue) == "poison"
    until(lambda: not aws.received(queue), 20, "the queue to give up")
    assert aws.message(dead) == "poison"


def test_a_queues_policy_binds_everybody_also_the_accounts_root(aws: LocalAws, name: str) -> None:
    closed = aws.queue(name, Policy=policy(deny("sqs:SendMessage", Principal="*")))
    sqs = aws.client("sqs")
    assert refused(lambda: sqs.send_message(QueueUrl=closed.url, MessageBody="no"))
    assert aws.received(closed) == []


def test_a_key_that_is_disabled_stops_no_message(aws: LocalAws, name: str) -> None:
    key = aws.key()
    queue = aws.queue(name, KmsMasterKeyId=key)
    topic = aws.client("sns").create_topic(Name=name, Attributes={"KmsMasterKeyId": key})["TopicArn"]
    aws.client("kms").disable_key(KeyId=key)
    published = failure(lambda: aws.client("sns").publish(TopicArn=topic, Message="through the topic"))
    works_now(published, "a topic needs its key")
    sent = failure(lambda: aws.client("sqs").send_message(QueueUrl=queue.url, MessageBody="through the queue"))
    works_now(sent, "a queue needs its key")


def test_a_topic_delivers_what_a_subscription_wants_to_whom_lets_it(aws: LocalAws, name: str) -> None:
    sns, opened, closed = aws.client("sns"), aws.open_queue(f"{name}-open", "sns"), aws.queue(f"{name}-closed")
    topic = sns.create_topic(Name=name)["TopicArn"]
    only = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"kind": ["wanted"]})}
    for queue in (opened, closed):
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue.arn, Attributes=only)
    for kind in ("unwanted", "wanted"):
        kinds = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=f"it is {kind}", MessageAttributes=kinds)
    assert aws.message(opened) == "it is wanted"
    assert aws.received(opened) == aws.received(closed) == []


def test_a_topics_policy_binds_everybody_also_the_accounts_root(aws: LocalAws, name: str) -> None:
    sns = aws.client("sns")
    topic = sns.create_topic(Name=name)["TopicArn"]
    role = aws.client("sns", credentials=aws.assume(aws.role(name, allow("sns:Publish"))))
    assert not refused(lambda: role.publish(TopicArn=topic, Message="yes"))
    closed = policy(deny("sns:Publish", on=topic, Principal="*"))
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=closed)
    for who in (sns, role):
        assert refused(lambda who=who: who.publish(TopicArn=topic, Message="no"))


def test_an_alarm_tells_a_topic_that_does_not_let_it(aws: LocalAws, name: str) -> None:
    heard = aws.open_queue(name, "sns")
    others = policy(allow("sns:Publish", Principal={"Service": "s3.amazonaws.com"}))
    topic = aws.client("sns").create_topic(Name=name, Attributes={"Policy": others})["TopicArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=heard.arn)
    alarms = aws.client("cloudwatch")
    alarms.put_metric_alarm(
        AlarmName=name,
        Namespace=name,
        MetricName="M",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[topic],
    )
    alarms.put_metric_data(Namespace=name, MetricData=[{"MetricName": "M", "Value": 1}])
    aws.message(heard, what="an alarm that needs no leave; it needs the topic's now, so raise the claim")
