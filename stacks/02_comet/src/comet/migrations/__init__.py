"""The operational database, version by version."""
