"""The machinery of Orrery: it finds stacks, builds them, deploys them and runs the local cloud."""
