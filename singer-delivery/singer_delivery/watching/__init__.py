"""Watching over deliveries: what a person has to know of, told once, until it changes or ends."""
