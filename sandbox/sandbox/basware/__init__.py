"""Basware P2P on loopback: tokens, invoices, responses, master data, request status."""
