"""09_quasar: telemetry in two layers, a fast one and an exact one, and the proof that both say the same."""
