"""The stream of vendor payments: what cleared in Dynamics, invoice by invoice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from singer_delivery.errors import Refused, SetupError
from singer_sdk import typing as th

from tap_d365fo import odata
from tap_d365fo.bookmark import Bookmark, moment, read_from
from tap_d365fo.entity_stream import D365Stream
from tap_d365fo.natural_key import folded
from tap_d365fo.outcomes import STREAM as INVOICES
from tap_d365fo.payment_reading import Documents, PaymentReader
from tap_d365fo.payment_spool import SettlementSpool
from tap_d365fo.payments import SETTLEMENTS, TRANSACTIONS

if TYPE_CHECKING:
    from singer_delivery.ledger import Ledger

#: Settlements whose invoices are read and held together.
BATCH = 500
FOUND_FIELDS = ("dataAreaId", "SourceKey", "TransRecId", "TransCompany", "CreatedOn")


class VendorPayments(D365Stream):
    """One record a settlement of a vendor invoice, with what is paid of it by then.

    Incremental on the settlement's CreatedOn; a read overlaps the one before, and says of a
    settlement what it said then. Undone settlements and voided payments are records of their own,
    with a lower paid total.
    """

    name = "vendor_payments"
    primary_keys = ("data_area_id", "settlement_id")
    replication_key = "settled_at"
    requires = (TRANSACTIONS, SETTLEMENTS)
    schema = th.PropertiesList(
        th.Property(
            "data_area_id", th.StringType, required=True, description="Legal entity, lower case."
        ),
        th.Property(
            "settlement_id",
            th.IntegerType,
            required=True,
            description="RecId of the settlement's row at the invoice's side.",
        ),
        th.Property(
            "document_id",
            th.StringType,
            description="The document that the invoice was delivered from (Basware: invoiceId); "
            "null when the ledger has none.",
        ),
        th.Property("vendor_account", th.StringType, description="Invoice account."),
        th.Property("invoice_number", th.StringType, description="The vendor's number."),
        th.Property("invoice_date", th.DateType, description="Date of the vendor's document."),
        th.Property("invoice_voucher", th.StringType),
        th.Property(
            "invoice_amount",
            th.DecimalType,
            description="Positive for an invoice, negative for a credit note.",
        ),
        th.Property("currency", th.StringType, description="Of the invoice and all amounts."),
        th.Property(
            "amount",
            th.DecimalType,
            description="Settled by this settlement, without cash discount; negative where it "
            "takes back what was settled of an invoice.",
        ),
        th.Property(
            "paid_total",
            th.DecimalType,
            description="Paid of the invoice after this settlement, without cash discount. What "
            "is settled against a credit note is not paid.",
        ),
        th.Property(
            "cash_discount",
            th.DecimalType,
            description="Cash discount taken on the invoice after this settlement.",
        ),
        th.Property("payment_date", th.DateType, description="Date of the settlement."),
        th.Property(
            "payment_voucher",
            th.StringType,
            description="Voucher of the other side: the payment, or a credit note.",
        ),
        th.Property("payment_company", th.StringType, description="Legal entity that paid."),
        th.Property("payment_method", th.StringType),
        th.Property("payment_reference", th.StringType),
        th.Property("payment_id", th.StringType),
        th.Property("cheque_number", th.StringType, description="Empty where it is not known."),
        th.Property("journal", th.StringType, description="Payment journal."),
        th.Property("prepayment", th.BooleanType, description="Paid ahead of the invoice."),
        th.Property(
            "settled_with",
            th.StringType,
            description="The other side: payment, invoice (an invoice or credit note), other, or "
            "unknown where it cannot be seen.",
        ),
        th.Property(
            "fully_paid",
            th.BooleanType,
            description="Nothing of the invoice is open after this settlement, whether by "
            "payments, cash discount or credit notes.",
        ),
        th.Property(
            "is_reversal",
            th.BooleanType,
            description="It undoes a settlement: un-settled, payment reversed, cheque voided.",
        ),
        th.Property("reversal_voucher", th.StringType, description="Of a reversal, else null."),
        th.Property(
            "position", th.IntegerType, description="1, 2, … among the invoice's settlements."
        ),
        th.Property("settled_at", th.DateTimeType, description="When it was settled, UTC."),
    ).to_dict()

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the settlements created since the bookmark, less the overlap, oldest first."""
        bookmark = Bookmark(self.stream_state, self._scope)
        includes = self.config["settlement_includes_cash_discount"]
        try:
            until = self.reader.now(SETTLEMENTS) - self._commit_delay
            with SettlementSpool() as spool, self._documents() as documents:
                for page in self._found(self._since(bookmark)):
                    spool.add(page)
                reader = PaymentReader(self.reader, documents, includes_discount=includes)
                for batch in spool.batches(BATCH):
                    yield from reader.records(batch)
                    bookmark.advanced({SETTLEMENTS: min(batch[-1].created, until)})
                    self._write_state_message()
        except Refused as error:
            if error.status != 404:
                raise
            msg = (
                f"vendor payments cannot be read: {error}. {TRANSACTIONS} and {SETTLEMENTS} must "
                "be public data entities that the application's user may read; else deselect "
                f"{self.name}"
            )
            raise SetupError(msg) from None

    def _found(self, since: datetime | None) -> Iterator[list[dict[str, Any]]]:
        condition = odata.compare("CreatedOn", "ge", since) if since else ""
        select = [name for name in FOUND_FIELDS if self.reader.has(SETTLEMENTS, name)]
        return self.reader.crawl(SETTLEMENTS, select=select, filter=condition)

    def _since(self, bookmark: Bookmark) -> datetime | None:
        """Return from when on to read; None for everything."""
        mark = bookmark.watermarks.get(SETTLEMENTS)
        if self.replication_method != "INCREMENTAL" or not self.config["full_refresh_hours"]:
            mark = None
        bounds = (mark and read_from(mark, self._overlap), moment(self.config.get("start_date")))
        return max(filter(None, bounds), default=None)

    @property
    def _scope(self) -> str:
        """What a bookmark is about: of other legal entities, it tells nothing."""
        return ",".join(sorted(folded(*self.reader.companies))) or "all"

    @contextmanager
    def _documents(self) -> Iterator[Documents]:
        """Give the look-up of document ids in the ledger; it finds none where there is none.

        The ledger is opened when the first ids are asked for: mostly nothing was settled.
        """
        with ExitStack() as stack:

            @cache
            def ledger() -> Ledger | None:
                from tap_d365fo.told_ledger import open_told  # noqa: PLC0415 - it takes its time

                found = open_told(self.config)
                if found is None:
                    self.logger.info("No ledger at ledger_url: document_id stays empty")
                    return None
                return stack.enter_context(closing(found))

            def documents(keys: Iterable[str]) -> Mapping[str, str]:
                told = ledger()
                if told is None:
                    return {}
                return {key: item.key for key, item in told.lookup_natural(INVOICES, keys).items()}

            yield documents
