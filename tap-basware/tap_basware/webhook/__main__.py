"""`python -m tap_basware.webhook`."""

from tap_basware.webhook.cli import main

if __name__ == "__main__":
    main()
