"""Bulk delivery: many idempotent upserts a request, for systems that take master data so."""

from __future__ import annotations

from singer_delivery.bulk.courier import BulkCourier, Receipt, RecordRefusal
from singer_delivery.bulk.delivery import BulkDelivery
from singer_delivery.bulk.options import BulkOptions

__all__ = ["BulkCourier", "BulkDelivery", "BulkOptions", "Receipt", "RecordRefusal"]
