"""How a pipeline reaches Kafka: settings for librdkafka's clients, the same for the local broker and for MSK.

Needs confluent-kafka, and for MSK's logins aws-msk-iam-sasl-signer-python.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

AUTHENTICATIONS = ("none", "iam")


def client_settings(environment: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return what every client is configured with, from ``KAFKA_*`` in the environment.

    Parameters
    ----------
    environment : mapping
        ``KAFKA_BOOTSTRAP_SERVERS``, the module's output `bootstrap_servers`; ``KAFKA_AUTHENTICATION``, its output
        `authentication` (``iam`` or ``none``, the default); ``AWS_REGION`` with ``iam``.

    Returns
    -------
    dict
        Add what is the client's own: ``group.id``, ``transactional.id``, ``acks``.

    Raises
    ------
    KeyError
        A variable is missing; the error has its name.
    ValueError
        An authentication that there is not.

    Examples
    --------
    >>> client_settings({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"})
    {'bootstrap.servers': '127.0.0.1:9092', 'client.id': 'orrery'}
    """
    settings: dict[str, Any] = {"bootstrap.servers": environment["KAFKA_BOOTSTRAP_SERVERS"], "client.id": "orrery"}
    authentication = environment.get("KAFKA_AUTHENTICATION") or "none"
    if authentication not in AUTHENTICATIONS:
        raise ValueError(f"KAFKA_AUTHENTICATION={authentication} is none of {', '.join(AUTHENTICATIONS)}")
    if authentication == "iam":
        region = environment["AWS_REGION"]
        settings |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "oauth_cb": lambda _: _token(region),
        }
    return settings


def _token(region: str) -> tuple[str, float]:
    """Return a login of the caller's IAM credentials, and when it ends in seconds since 1970."""
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

    token, ends_ms = MSKAuthTokenProvider.generate_auth_token(region)
    return token, ends_ms / 1000
