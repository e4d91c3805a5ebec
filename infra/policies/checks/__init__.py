"""The checks, one file per theme. checkov loads each file of this folder (``external-checks-dir``)."""
