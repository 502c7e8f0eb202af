"""The records of each stream as JSON schemas, written as plain data."""
