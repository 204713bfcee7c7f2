"""Seeded histories of the engine on a simulated clock, network and AWS, each held against the promises."""
