"""Seeded simulation of the engine: virtual clock, network and AWS; every history is checked against the promises."""
