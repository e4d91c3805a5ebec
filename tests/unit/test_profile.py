"""What the profile of 09_quasar makes of a recording."""

from __future__ import annotations

import importlib.util

from infra.paths import ROOT

SHOWN = """
jdk.ExecutionSample {
  startTime = 22:10:00.000
  state = "STATE_RUNNABLE"
  stackTrace = [
    java.util.HashMap.get(Object) line: 556
    com.fasterxml.jackson.core.json.ReaderBasedJsonParser.nextToken() line: 700
    org.apache.spark.sql.execution.streaming.state.RocksDB.put(byte[], byte[]) line: 1
  ]
}

jdk.NativeMethodSample {
  stackTrace = [
    sun.nio.ch.EPoll.epollWait(int, long, int, int)
    org.rocksdb.Nothing.wait() line: 1
  ]
}

jdk.ExecutionSample {
  stackTrace = [
    java.lang.Thread.run() line: 840
  ]
}
"""


def test_a_sample_counts_for_what_is_next_to_its_top_and_who_waits_counts_for_nothing() -> None:
    spec = importlib.util.spec_from_file_location("profile_quasar", ROOT / "scripts" / "profile_quasar.py")
    assert spec and spec.loader
    profile = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(profile)
    found = [profile.kind(frames) for frames in profile.stacks(SHOWN.splitlines())]
    assert found == ["JSON: parsing a message", None, profile.OTHER]
