"""The event as Spark reads it: parsed and judged in the JVM, by the rules of ``schemas/telemetry.json``.

Works on Spark 3.5 and 4.0 alike. A message is an event, or it has a reason why not; it is never lost and never guessed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quasar.generate import KINDS, TOO_LARGE

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

FIELDS = {
    "event_id": "string",
    "device_id": "string",
    "kind": "string",
    "measured_at": "bigint",
    "sent_at": "bigint",
    "sequence": "bigint",
    "temperature_ucelsius": "bigint",
    "voltage_uv": "bigint",
    "firmware": "string",
}
JSON = {"mode": "PERMISSIVE", "allowSingleQuotes": "false", "allowNonNumericNumbers": "false"}
FLAT = r"(?s)^\s*\{[^{}]*\}\s*$"
"""One object without others in it: Spark itself would take what follows the first one."""

EARLIEST, LATEST = 1_577_836_800_000, 7_258_118_400_000  # 2020 and 2200
OLDEST_MS = 7 * 86_400_000
AHEAD_MS = 5 * 60_000
"""How far a gateway's clock may be ahead of the broker's: one that is far ahead would make all others late."""


def judged(messages: DataFrame) -> DataFrame:
    """Return messages with their fields, and with why they can't be used.

    Parameters
    ----------
    messages : DataFrame
        With Kafka's columns ``value`` (binary), ``partition``, ``offset`` and ``timestamp``.

    Returns
    -------
    DataFrame
        What came in, the event's fields, ``event_time`` (a timestamp: the device's, but never after it was sent), and
        ``reason`` and ``detail``: null for an event.
    """
    from pyspark.sql import functions as f

    types = ", ".join(f"{name} {kind}" for name, kind in FIELDS.items())
    text = f.col("value").cast("string")
    # Too large or nested, it is not even parsed. Spark moves a filter to below a column that it is about, and would
    # parse once for each mention of a field; to below `inline`, which makes rows, it moves nothing.
    size = f.coalesce(f.length("value"), f.lit(0))
    flat = messages.withColumn("_flat", (size <= TOO_LARGE) & text.rlike(FLAT))
    fields = flat.select("*", f.inline(f.array(f.when(f.col("_flat"), f.from_json(text, types, JSON)))))
    lacking = f.concat_ws(", ", *(f.when(f.col(name).isNull(), f.lit(name)) for name in FIELDS))
    whole = f.col("_flat") & _all([f.col(name).isNotNull() for name in FIELDS])
    impossible = f.concat_ws(", ", *(f.when(~right, f.lit(name)) for name, right in _possible()))
    reason = (
        f.when(whole & _all([right for _, right in _possible()]), f.lit(None))
        .when(size == 0, "empty")
        .when(size > TOO_LARGE, "too_large")
        .when(~f.col("_flat") | f.from_json(text, "map<string, string>", JSON).isNull(), "not_json")
        .when(~whole, "bad_field")
        .otherwise("impossible_value")
    )
    detail = (
        f.when(f.col("reason") == "too_large", f.concat(size.cast("string"), f.lit(f" bytes, {TOO_LARGE} at most")))
        .when(f.col("reason") == "bad_field", f.concat(f.lit("missing or of another type: "), lacking))
        .when(f.col("reason") == "impossible_value", f.concat(f.lit("beyond what can be: "), impossible))
        .when(f.col("reason").isNotNull(), f.lit("not one flat JSON object"))
    )
    at = f.when(f.col("reason").isNull(), f.timestamp_millis(f.least("measured_at", "sent_at")))
    return fields.withColumn("reason", reason).withColumn("detail", detail).withColumn("event_time", at).drop("_flat")


def _all(conditions: list[Any]) -> Column:
    whole = conditions[0]
    for each in conditions[1:]:
        whole = whole & each
    return whole


def _whole(pattern: str) -> str:
    """Return a schema's pattern for Java, whose ``$`` would let a last line break pass."""
    return pattern.removesuffix("$") + r"\z"


def _possible() -> list[tuple[str, Any]]:
    """Return what must hold of an event's fields; where the schema says limits and patterns, the same ones."""
    from pyspark.sql import functions as f

    arrived = f.unix_millis("timestamp")
    # Nothing is computed with a field as it came: Spark 4 stops where a number gets too large.
    sent_at = f.least(f.greatest(f.col("sent_at"), f.lit(EARLIEST)), f.lit(LATEST))
    return [
        ("event_id", f.col("event_id").rlike(_whole("^[0-9a-f]{8}-[0-9a-f]{12}$"))),
        ("device_id", f.col("device_id").rlike(_whole("^device-[0-9]{6}$"))),
        ("kind", f.col("kind").isin(*KINDS)),
        ("sent_at", f.col("sent_at").between(EARLIEST, f.least(arrived + AHEAD_MS, f.lit(LATEST)))),
        ("measured_at", f.col("measured_at").between(f.greatest(f.lit(EARLIEST), sent_at - OLDEST_MS), f.lit(LATEST))),
        ("sequence", f.col("sequence") >= 0),
        ("temperature_ucelsius", f.col("temperature_ucelsius").between(-90_000_000, 200_000_000)),
        ("voltage_uv", f.col("voltage_uv").between(0, 1_000_000_000)),
        ("firmware", f.col("firmware").rlike(_whole(r"^[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}$"))),
    ]
