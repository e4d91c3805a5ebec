"""What moves data: reading, splitting, repairing, quarantine, checkpoints, metrics.

Lambdas and pipelines import this package; it knows nothing about any one stack and nothing about the target
it runs on.
"""
