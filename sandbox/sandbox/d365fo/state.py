"""The Dynamics environment: its rows, its companies, its tokens."""

from __future__ import annotations

from collections import Counter
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sandbox.d365fo import payments, posting
from sandbox.d365fo.indexes import SetRows
from sandbox.d365fo.model import load_model
from sandbox.d365fo.number_sequence import NumberSequences
from sandbox.d365fo.tables import Record, Store
from sandbox.d365fo.tokens import Directory
from sandbox.d365fo.values import (
    NULL_MOMENT,
    ValueProblem,
    convert,
    default,
    moment_text,
)
from sandbox.d365fo.views import VIEWS, viewer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.clock import Clock
    from sandbox.d365fo.indexes import Show
    from sandbox.d365fo.model import EntitySet, Field
    from sandbox.d365fo.switches import D365Switches
    from sandbox.d365fo.tables import Table
    from sandbox.d365fo.values import Value

# Attachments have the key of their invoice: several rows share one.
_NOT_UNIQUE = frozenset({"VendorInvoiceDocumentAttachments"})
_DEFAULT_COMPANY = "dat"
_UNSET = (0, "", NULL_MOMENT)


class D365State:
    """What the environment holds. Readers in other threads get copies; writers use `store`."""

    def __init__(self, clock: Clock, switches: D365Switches) -> None:
        self.clock = clock
        self.switches = switches
        self.model = load_model()
        self._default_rows: dict[str, dict[str, Value]] = {}
        self._viewers = {name: viewer(self.model, name) for name in VIEWS}
        self.reset()

    def reset(self) -> None:
        """As an empty environment; tokens issued before are no longer valid."""
        self.store = Store(self.model.sets.values(), _NOT_UNIQUE)
        self._set_rows: dict[str, SetRows] = {}
        self.sequences = NumberSequences()
        self.directory = Directory(self.clock)
        self.default_company = _DEFAULT_COMPANY
        self.documents_in_hand: Counter[tuple[object, object]] = Counter()

    def load(
        self,
        entity_sets: Mapping[str, list[dict[str, Any]]],
        default_company: str | None = None,
    ) -> None:
        """Add rows past the API's validation, completed from the model.

        Amounts may be Decimal or text, dates `date` or ISO text. Raises ValueError for an unknown
        set or field, a value of the wrong type, or a key that exists.
        """
        self.default_company = (default_company or self.default_company).lower()
        with self.store.transaction():
            for name, rows in entity_sets.items():
                if name not in self.model.sets:
                    msg = f"no entity set {name!r}"
                    raise ValueError(msg)
                for row in rows:
                    self._load_row(self.model.sets[name], row)

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Copies of all rows of an entity set, of every company, oldest first."""
        return [dict(record.values) for record in self.records(name)]

    def counts(self) -> dict[str, int]:
        """Rows an entity set, for those that have any."""
        sizes = {name: len(self.records(name)) for name in self.model.sets}
        return {name: size for name, size in sizes.items() if size}

    def records(self, name: str) -> list[Record]:
        """All records of an entity set; of a view, those of its source as it shows them."""
        with self.store.lock:
            own = self.store[name].records()
            if name not in VIEWS:
                return own
            source = self.store[VIEWS[name].source].records()
            return own + [self._viewers[name](item) for item in source]

    def set_rows(self, name: str) -> SetRows:
        """The rows of an entity set, or of a view, with their indexes; see `Store.lock`."""
        with self.store.lock:
            if name not in self._set_rows:
                parts: list[tuple[Table, Show]] = [(self.store[name], _as_stored)]
                if name in VIEWS:
                    parts.append((self.store[VIEWS[name].source], self._viewers[name]))
                self._set_rows[name] = SetRows(self.model.sets[name], self.model, parts)
            return self._set_rows[name]

    def find(self, name: str, **values: Value) -> list[Record]:
        """Records in which all of these fields have these values."""
        with self.store.lock:
            rows = self.set_rows(name) if name in VIEWS else self.store[name]
            return rows.find(**values)

    def first(self, name: str, **values: Value) -> Record | None:
        """The first record that `find` finds."""
        return next(iter(self.find(name, **values)), None)

    def find_key(self, name: str, key: Mapping[str, Value]) -> Record | None:
        """The record with this key, None when there is none."""
        with self.store.lock:
            if name in VIEWS:
                return self.first(name, **key)
            return self.store[name].get(**key)

    def company_exists(self, company: str) -> bool:
        """Whether a legal entity has this id."""
        return (
            company == self.default_company
            or self.first("LegalEntities", LegalEntityId=company) is not None
            or self.first("Companies", DataArea=company) is not None
        )

    def new_record(self, entity: EntitySet, values: dict[str, Value]) -> Record:
        """A record to insert; system fields are filled, other missing ones get their default."""
        rec_id = self.store.next_rec_id()
        now = moment_text(self.clock.now())
        system: dict[str, Value] = {
            "SourceKey": rec_id,
            "RecordId": rec_id,
            "SysRecVersion": 1,
            "CreatedOn": now,
            "SysModifiedDateTime": now,
            "SysDataAreaId": values.get("dataAreaId", ""),
        }
        complete = self.default_row(entity)
        complete |= {name: value for name, value in values.items() if value is not None}
        for name, value in system.items():
            if name in complete and complete[name] in _UNSET:
                complete[name] = value
        return Record(complete, rec_id, created_on=now, modified_on=now)

    def default_row(self, entity: EntitySet) -> dict[str, Value]:
        """A row of nothing but defaults, in the order of the fields."""
        if entity.name not in self._default_rows:
            self._default_rows[entity.name] = {
                name: default(field, self.model) for name, field in entity.fields.items()
            }
        return dict(self._default_rows[entity.name])

    def insert(self, name: str, values: dict[str, Value]) -> Record:
        """Insert a row past the API's validation, in a transaction. Raises KeyError (key taken)."""
        with self.store.transaction():
            record = self.new_record(self.model.sets[name], values)
            self.store.insert(self.store[name], record)
        return record

    def update(self, name: str, old: Record, values: dict[str, Value]) -> Record:
        """Change fields of a row past the API's validation, in a transaction."""
        now = moment_text(self.clock.now())
        entity = self.model.sets[name]
        if "SysModifiedDateTime" in entity.fields:
            values = {**values, "SysModifiedDateTime": now}
        with self.store.transaction():
            return self.store.update(self.store[name], old, values, now)

    def delete(self, name: str, record: Record) -> None:
        """Remove a row past the API's validation, in a transaction."""
        with self.store.transaction():
            self.store.delete(self.store[name], record)

    def post_invoice(self, data_area_id: str, header_reference: str) -> str:
        """Post a pending vendor invoice and return its voucher. Raises PostingError."""
        return posting.post_invoice(self, data_area_id, header_reference)

    def pay_invoice(
        self, data_area_id: str, voucher: str, amount: Decimal | str | None = None, **details: str
    ) -> str:
        """Pay a posted invoice, wholly or in part; returns the payment's voucher.

        `details` are `cash_discount` and the fields of `payments.Payment`. Raises PostingError.
        """
        discounts = {voucher: details.pop("cash_discount", "0")}
        return self.pay_invoices(data_area_id, {voucher: amount}, discounts, **details)

    def pay_invoices(
        self,
        data_area_id: str,
        invoices: str | Mapping[str, Decimal | str | None],
        cash_discounts: str | Mapping[str, Decimal | str | None] = "",
        **details: str,
    ) -> str:
        """Pay posted invoices of one vendor with one payment; returns its voucher.

        `invoices` holds what is paid of each voucher, None for all that is open; as text
        `voucher[:amount],…`. `details` are the fields of `payments.Payment`. Raises PostingError.
        """
        parts = payments.read_parts(invoices, cash_discounts)
        return payments.pay_invoices(self, data_area_id, parts, payments.Payment(**details))

    def prepay(self, data_area_id: str, vendor: str, amount: Decimal | str, **details: str) -> str:
        """Pay a vendor ahead of any invoice; returns the voucher. Raises PostingError."""
        payment = payments.Payment(**details)
        return payments.prepay(self, data_area_id, vendor, Decimal(amount), payment)

    def apply_prepayment(
        self,
        data_area_id: str,
        voucher: str,
        invoices: str | Mapping[str, Decimal | str | None],
        date: str | None = None,
    ) -> str:
        """Settle invoices with what is open of a payment; returns the settlement's voucher.

        `invoices` is that of `pay_invoices`. Raises PostingError.
        """
        parts = payments.read_parts(invoices)
        return payments.settle_open(self, data_area_id, voucher, parts, date)

    def settle_credit_note(
        self,
        data_area_id: str,
        voucher: str,
        invoices: str | Mapping[str, Decimal | str | None],
        date: str | None = None,
    ) -> str:
        """Settle invoices with a credit note, without any payment; as `apply_prepayment`."""
        parts = payments.read_parts(invoices)
        return payments.settle_open(self, data_area_id, voucher, parts, date)

    def unsettle(
        self, data_area_id: str, what: str | Sequence[int], date: str | None = None
    ) -> str:
        """Undo all settlements of a voucher, or those of rows; returns the reversing voucher.

        Raises PostingError.
        """
        return payments.unsettle(self, data_area_id, what, date)

    def reverse_payment(self, data_area_id: str, voucher: str, date: str | None = None) -> str:
        """Take a payment back, its settlements with it; returns the reversing voucher.

        Raises PostingError.
        """
        return payments.reverse_payment(self, data_area_id, voucher, date)

    def void_cheque(self, data_area_id: str, cheque: str, date: str | None = None) -> str:
        """Void a cheque by its number, which reverses its payment. Raises PostingError."""
        return payments.void_cheque(self, data_area_id, cheque, date)

    def revoke_tokens(self) -> None:
        """Every access token issued so far stops working: 401 in mid-run."""
        self.directory.revoke_all()

    def _load_row(self, entity: EntitySet, row: Mapping[str, Any]) -> None:
        values: dict[str, Value] = {}
        for name, value in row.items():
            field = entity.fields.get(name)
            if field is None:
                msg = f"no field {name!r} in {entity.name}"
                raise ValueError(msg)
            try:
                values[name] = convert(field, _loose(field, value), self.model)
            except ValueProblem as error:
                msg = f"{entity.name}.{name}: {error}"
                raise ValueError(msg) from error
        if entity.per_company:
            values.setdefault("dataAreaId", self.default_company)
        try:
            self.store.insert(self.store[entity.name], self.new_record(entity, values))
        except KeyError as error:
            msg = f"{entity.name}: key {error.args[0]} is loaded twice"
            raise ValueError(msg) from error


def _as_stored(record: Record) -> Record:
    return record


def _loose(field: Field, value: object) -> object:
    if isinstance(value, date):  # a datetime as well
        return value.isoformat()
    if field.type == "Decimal" and isinstance(value, str | float):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            return value  # refused by the conversion, which names the type
    return value
