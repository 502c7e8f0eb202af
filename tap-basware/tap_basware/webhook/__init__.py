"""`basware-webhook`: receives Basware's notifications, and manages the subscriptions to them."""
