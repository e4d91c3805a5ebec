"""Change orders so that what Debezium says of it is large: its one argument, in megabytes. Run by the environment ``nova``."""

import random
import sys

from nova.source import Session, Settings
from nova.workload import Ledger, Values

EACH = 20
NOTE_KB = 50
"""A message has the note before and after."""

settings = Settings.from_environment()
session = Session(settings)
ledger = Ledger(session, Values(settings.engine, random.Random(1)), "heavy")
keys = [tuple(row) for row in session.query(f"select id from orders order by id limit {EACH}")]
for number in range(int(sys.argv[1]) * 1000 // (2 * NOTE_KB * len(keys))):
    ledger.begin()
    for key in keys:
        ledger.update("orders", key, {"note": chr(ord("a") + number % 26) * (NOTE_KB * 1000)})
    session.commit()
session.close()
