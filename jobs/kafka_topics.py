"""Topics as a stack declares them: made, grown and configured, and never shrunk, remade or deleted on the way.

Terraform's AWS provider can't make topics, so a stack runs this after each deployment, on the module kafka's output
`topics`. A second run changes nothing::

    python -m jobs.kafka_topics apply --topics topics.json          # --check only tells what differs
    python -m jobs.kafka_topics remove --prefix orrery-09-quasar-

Where the cluster is, and how to log in, is in the environment (`jobs.kafka.client_settings`) or ``--bootstrap``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jobs.kafka import client_settings

TIMEOUT_S = 30
METADATA_S = 10


class TopicsRefused(Exception):
    """A declaration that can't be carried out without losing data, or that contradicts itself."""


@dataclass(frozen=True)
class Topic:
    """One topic as it is declared.

    Parameters
    ----------
    name : str
    partitions, replication : int
        How many partitions, each on how many brokers.
    settings : mapping
        Kafka's own names, such as ``retention.ms``, to values as text.
    """

    name: str
    partitions: int
    replication: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """One topic as the cluster has it."""

    partitions: int
    replication: int
    settings: Mapping[str, str]


@dataclass
class Difference:
    """What is to be done to one topic, and what can't be."""

    topic: Topic
    create: bool = False
    grow_from: int = 0
    settings: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return it in words, a line for each thing."""
        name, wanted = self.topic.name, self.topic
        if self.create:
            return [f"{name}: to be made: {wanted.partitions} partitions, replication {wanted.replication}"]
        told = [f"{name}: {each}" for each in self.refused]
        if self.grow_from:
            told.append(f"{name}: {self.grow_from} -> {wanted.partitions} partitions; from then on keys move to others")
        return told + [f"{name}: {key} {old} -> {new}" for key, (old, new) in sorted(self.settings.items())]


def read(document: Mapping[str, Any]) -> list[Topic]:
    """Return the topics of the module's output `topics`.

    Parameters
    ----------
    document : mapping
        Names to objects with ``partitions`` and ``replication`` (numbers) and ``settings`` (a map).

    Raises
    ------
    TopicsRefused
        Something in it is none of that.
    """
    topics = []
    for name, facts in sorted(document.items()):
        try:
            settings = {key: str(value) for key, value in facts.get("settings", {}).items()}
            topic = Topic(name, int(facts["partitions"]), int(facts.get("replication", 1)), settings)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise TopicsRefused(f"{name}: the declaration can't be read: {error!r}") from error
        if topic.partitions < 1 or topic.replication < 1:
            raise TopicsRefused(f"{name}: partitions and replication are 1 at least")
        topics.append(topic)
    return topics


def compare(topics: Iterable[Topic], found: Mapping[str, Found]) -> list[Difference]:
    """Return what differs between declaration and cluster; nothing for a topic that is as declared."""
    differences = []
    for topic in topics:
        difference, there = Difference(topic), found.get(topic.name)
        if there is None:
            difference.create = True
        else:
            if there.partitions > topic.partitions:
                difference.refused.append(
                    f"has {there.partitions} partitions, {topic.partitions} are declared: Kafka can't take any away"
                )
            elif there.partitions < topic.partitions:
                difference.grow_from = there.partitions
            if there.replication != topic.replication:
                difference.refused.append(
                    f"has replication {there.replication}, {topic.replication} is declared: Kafka's own tools move it"
                )
            difference.settings = {
                key: (there.settings.get(key, "unset"), value)
                for key, value in topic.settings.items()
                if there.settings.get(key) != value
            }
        if difference.lines():
            differences.append(difference)
    return differences


class Cluster:
    """The admin side of a cluster.

    Parameters
    ----------
    settings : mapping
        As `jobs.kafka.client_settings` returns them.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        from confluent_kafka.admin import AdminClient

        self._admin = AdminClient(dict(settings))
        if "oauth_cb" in settings:
            self._admin.poll(1)  # the first login is only asked for here

    def names(self) -> list[str]:
        """Return the names of all topics but Kafka's own."""
        return sorted(name for name in self._admin.list_topics(timeout=METADATA_S).topics if not name.startswith("__"))

    def found(self, names: Iterable[str]) -> dict[str, Found]:
        """Return those topics that exist."""
        from confluent_kafka.admin import ConfigResource

        present = self._admin.list_topics(timeout=METADATA_S).topics
        wanted = [name for name in names if name in present]
        if not wanted:
            return {}
        asked = self._admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, name) for name in wanted])
        settings = {resource.name: answer.result(TIMEOUT_S) for resource, answer in asked.items()}
        return {
            name: Found(
                len(present[name].partitions),
                len(present[name].partitions[0].replicas),
                {key: entry.value for key, entry in settings[name].items()},
            )
            for name in wanted
        }

    def create(self, topic: Topic) -> None:
        """Make a topic."""
        from confluent_kafka.admin import NewTopic

        new = NewTopic(topic.name, topic.partitions, topic.replication, config=dict(topic.settings))
        _wait(self._admin.create_topics([new]))

    def grow(self, topic: Topic) -> None:
        """Give a topic more partitions."""
        from confluent_kafka.admin import NewPartitions

        _wait(self._admin.create_partitions([NewPartitions(topic.name, topic.partitions)]))

    def configure(self, name: str, settings: Mapping[str, str]) -> None:
        """Change some of a topic's settings."""
        from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource

        entries = [
            ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()
        ]
        resource = ConfigResource(ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        _wait(self._admin.incremental_alter_configs([resource]))

    def remove(self, prefix: str) -> list[str]:
        """Delete all topics and idle groups whose names begin with a prefix, and return their names.

        A group that still has members stays: it ends with them.
        """
        topics = [name for name in self.names() if name.startswith(prefix)]
        listed = self._admin.list_consumer_groups().result(TIMEOUT_S)
        groups = [each.group_id for each in listed.valid if each.group_id.startswith(prefix)]
        if topics:
            _wait(self._admin.delete_topics(topics))
        answers = self._admin.delete_consumer_groups(groups) if groups else {}
        return topics + [group for group, answer in answers.items() if _is_gone(answer)]


def apply(cluster: Cluster, topics: Sequence[Topic], *, check: bool = False) -> list[str]:
    """Bring the cluster to the declaration, and say line by line what differed.

    Parameters
    ----------
    cluster : Cluster
    topics : sequence of Topic
    check : bool
        Change nothing.

    Returns
    -------
    list of str
        Empty when everything was as declared.

    Raises
    ------
    TopicsRefused
        A topic would have to shrink or move; nothing was changed then, of no topic.
    """
    differences = compare(topics, cluster.found([each.name for each in topics]))
    refused = [line for each in differences if each.refused for line in each.lines()]
    if refused and not check:
        raise TopicsRefused("; ".join(refused))
    if not check:
        for each in differences:
            _carry_out(cluster, each)
    return [line for each in differences for line in each.lines()]


def _carry_out(cluster: Cluster, difference: Difference) -> None:
    topic = difference.topic
    if difference.create:
        cluster.create(topic)
        return
    if difference.grow_from:
        cluster.grow(topic)
    if difference.settings:
        cluster.configure(topic.name, {key: new for key, (_, new) in difference.settings.items()})


def _wait(answers: Mapping[Any, Any]) -> None:
    for answer in answers.values():
        answer.result(TIMEOUT_S)


def _is_gone(answer: Any) -> bool:
    """Tell whether a group was deleted; no other answer than that it has members, or was gone, is fine."""
    from confluent_kafka import KafkaError, KafkaException

    try:
        answer.result(TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() not in (KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_ID_NOT_FOUND):
            raise
        return False
    return True


def _tell(line: str) -> None:
    """Write a line at once: Kafka's client writes to the same place from its own threads."""
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 is done, 1 an error, 3 (with ``--check``) that something differs."""
    parser = argparse.ArgumentParser(prog="kafka_topics", description="Topics as a stack declares them.")
    parser.add_argument("--bootstrap", help="host:port of the brokers; KAFKA_BOOTSTRAP_SERVERS else")
    commands = parser.add_subparsers(dest="command", required=True)
    applies = commands.add_parser("apply", help="make, grow and configure the declared topics")
    source = "a JSON file: the module's output `topics`; what KAFKA_TOPICS holds else"
    applies.add_argument("--topics", type=Path, help=source)
    applies.add_argument("--check", action="store_true", help="change nothing, only tell what differs")
    removes = commands.add_parser("remove", help="delete the topics and idle groups of a stack")
    removes.add_argument("--prefix", required=True, help="how their names begin")
    given = parser.parse_args(arguments)
    environment = os.environ | ({"KAFKA_BOOTSTRAP_SERVERS": given.bootstrap} if given.bootstrap else {})
    try:
        return _run(given, Cluster(client_settings(environment)))
    except KeyError as error:
        _tell(f"error: {error.args[0]} is not set")
    except (OSError, ValueError, TopicsRefused) as error:
        _tell(f"error: {error}")
    except Exception as error:
        if type(error).__name__ != "KafkaException":
            raise
        where = environment.get("KAFKA_BOOTSTRAP_SERVERS")
        _tell(f"error: Kafka at {where}: {error.args[0].str()}")
    return 1


def _run(given: argparse.Namespace, cluster: Cluster) -> int:
    if given.command == "remove":
        if not given.prefix:
            raise ValueError("an empty prefix would be all topics")
        for name in cluster.remove(given.prefix):
            print(f"removed {name}")
        return 0
    topics = read(json.loads(given.topics.read_text() if given.topics else os.environ["KAFKA_TOPICS"]))
    lines = apply(cluster, topics, check=given.check)
    for line in lines:
        print(line)
    if not lines:
        print(f"{len(topics)} topics are as declared")
    return 3 if given.check and lines else 0


if __name__ == "__main__":
    sys.exit(main())
