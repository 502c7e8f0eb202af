"""Basware and Dynamics 365 F&O on loopback: stateful, strict, fault-injecting."""
