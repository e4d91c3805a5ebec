"""How a pipeline enters Snowflake, or the local cloud's: by names in the environment, and by what a secret holds.

Needs snowflake-connector-python, for a key cryptography, for a secret boto3.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping
from typing import Any

FIELDS = ("account", "user", "private_key", "password")
"""What a secret may hold; each becomes the variable ``<PREFIX>_SNOWFLAKE_<FIELD>``."""
NETWORK_TIMEOUT_S = 300
"""How long the client repeats what fails in the network, in seconds; its own default is for ever."""


class NoAccess(Exception):
    """The warehouse can't be entered, and a person has to do something about it."""


def open_secret(prefix: str, secret: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Put what a secret holds where `connect` looks for it.

    Parameters
    ----------
    prefix : str
        How the variables begin, such as ``NOVA``.
    secret : str
        The secret's ARN.
    environment : mutable mapping
        Where the variables go.

    Raises
    ------
    NoAccess
        It holds no ``private_key`` or no ``account``, and no local warehouse is named.
    """
    import boto3

    held = json.loads(boto3.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    environment.update({f"{prefix}_SNOWFLAKE_{each.upper()}": held[each] for each in FIELDS if each in held})
    if environment.get(f"{prefix}_SNOWFLAKE_HOST"):
        return
    for needed in ("private_key", "account"):  # without an account, a token would go to somebody else's
        if not held.get(needed):
            raise NoAccess(f"the secret {secret} has no {needed!r}: put it in, as the stack's README says")


def connect(
    prefix: str,
    schema: str,
    environment: Mapping[str, str] = os.environ,
    session: Mapping[str, Any] | None = None,
) -> Any:
    """Return a connection to Snowflake, or to what answers at ``<PREFIX>_SNOWFLAKE_HOST`` and ``_PORT``.

    Parameters
    ----------
    prefix : str
        How the variables begin: ``<PREFIX>_DATABASE``, and ``<PREFIX>_SNOWFLAKE_`` with ``ACCOUNT``, ``USER``,
        ``PRIVATE_KEY`` or ``PASSWORD``, ``ROLE``, ``WAREHOUSE``; for another place ``HOST``, ``PORT``, ``PROTOCOL``.
    schema : str
        Where names without a schema are looked up.
    environment : mapping
        Where the variables are.
    session : mapping, optional
        Parameters of Snowflake's session, such as ``LOCK_TIMEOUT``.

    Raises
    ------
    KeyError
        The database is not named.
    """
    import snowflake.connector

    def setting(name: str, default: str = "") -> str:
        return environment.get(f"{prefix}_SNOWFLAKE_{name}", default)

    entry: dict[str, Any] = {"password": setting("PASSWORD")}
    if key := setting("PRIVATE_KEY"):
        entry = {"private_key": _der(key)}
    # Without these three, Snowflake's own: <account>.snowflakecomputing.com, by TLS.
    place = {"host": setting("HOST"), "port": setting("PORT"), "protocol": setting("PROTOCOL")}
    return snowflake.connector.connect(
        account=setting("ACCOUNT", "orrery"),
        user=setting("USER", prefix.lower()),
        role=setting("ROLE") or None,
        warehouse=setting("WAREHOUSE") or None,
        database=environment[f"{prefix}_DATABASE"],
        schema=schema,
        network_timeout=NETWORK_TIMEOUT_S,
        session_parameters=dict(session or {}),
        **entry,
        **{name: value for name, value in place.items() if value},
    )


def _der(pem: str) -> bytes:
    """Return a private key as Snowflake's connector takes it."""
    from cryptography.hazmat.primitives import serialization as forms

    key = forms.load_pem_private_key(pem.encode(), password=None)
    der: bytes = key.private_bytes(forms.Encoding.DER, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    return der
