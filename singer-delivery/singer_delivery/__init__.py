"""Durable, idempotent delivery of Singer records to an HTTP API."""
