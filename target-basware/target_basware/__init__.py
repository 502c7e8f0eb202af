"""Singer target for the Basware Open API."""
