"""Singer tap for the Basware Open API."""
