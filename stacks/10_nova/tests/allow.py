"""Make the user that Debezium is, as `nova.source make --capture-secret` does, without a secret. Run by the environment ``nova``."""

import os
import sys

from nova import source

with source.opened() as session:
    source.allow_capture(session, sys.argv[1], os.environ["CAPTURE_PASSWORD"])
