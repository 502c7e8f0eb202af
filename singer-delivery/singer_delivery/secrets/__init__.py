"""Secrets that settings refer to instead of holding them."""
