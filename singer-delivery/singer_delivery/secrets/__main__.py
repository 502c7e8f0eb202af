"""`python -m singer_delivery.secrets` is `singer-secrets`."""

from singer_delivery.secrets.cli import main

main(prog_name="singer-secrets")
