"""Vendor invoices in data packages: which go into one, what is in it, and its way to Dynamics.

Data management writes headers and lines one after the other, so all invoices of a package are
halves for a while. Unless `on_hold` is off, each header says so, as where Dynamics numbers them,
and is on hold, until it is found whole.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from singer_delivery.consigning import Consignment
from singer_delivery.dispatch import Dispatch, Part
from singer_delivery.document import Document
from singer_delivery.errors import AccessDenied, Refused, SetupError
from singer_delivery.exact_json import encode_json
from singer_delivery.redaction import REDACTOR
from tap_d365fo.data_management import DataManagement, Import, State

from target_d365fo.compare import Row
from target_d365fo.halves import half_header
from target_d365fo.judgement import Plan
from target_d365fo.package import EntityRows, Form, is_writable, text_of, write_package
from target_d365fo.payload import InvoiceRows

#: Rows of a package at most: it stays far below what a file store takes in one piece (64 MiB).
MOST_ROWS = 200_000
#: Bytes of a package that are held in memory; a larger one is a file.
IN_MEMORY = 1 << 20
#: How often a package is written to a new address, because the one before has expired.
ADDRESSES = 3
#: The company is that of the import, and no field of these entities.
NO_FIELDS = frozenset({"dataAreaId"})
HEADER_ELEMENT = "VENDORINVOICEHEADERENTITY"
LINE_ELEMENT = "VENDORINVOICELINEENTITY"


@dataclass(frozen=True)
class PackageRules:
    """Settings of packages. Times in seconds; names are those of the environment."""

    form: Form = field(default_factory=Form)
    header_entity: str = "Vendor invoice header"
    line_entity: str = "Vendor invoice line"
    most_invoices: int = 5000
    on_hold: bool = True


@dataclass
class Packager:
    """Makes packages, and has Dynamics import them. `singly` are keys that go by themselves."""

    data: DataManagement
    rules: PackageRules
    singly: set[str] = field(default_factory=set)

    def part_of(self, document: Document, plan: Plan) -> str | None:
        """Return the legal entity into which a document goes with others.

        None for what replaces an earlier version, which takes a transaction, and for what a
        package cannot hold.
        """
        rows: InvoiceRows = document.payload
        if plan.replaces or document.key in self.singly:
            return None
        if not all(map(is_writable, (rows.header, *rows.lines))):
            return None
        return str(rows.header["dataAreaId"]).lower()

    def dispatch(self, document: Document, plan: Plan) -> Dispatch | None:
        """Return the rows that a document has in a package, None where it goes by itself.

        Their requests are of the package as a whole; the fields are those of its files.
        """
        if self.part_of(document, plan) is None:
            return None
        entities = self._entities([document])
        return Dispatch(
            tuple(
                Part("PACKAGE", f"/{entity.file}", encode_json(self._cells(row)))
                for entity in entities
                for row in entity.rows
            )
        )

    def _cells(self, row: Row) -> dict[str, str]:
        return {name.upper(): text_of(value, self.rules.form) for name, value in row.items()}

    def is_full(self, documents: int, rows: int) -> bool:
        """Tell whether so many invoices of so many rows are to leave."""
        return documents >= self.rules.most_invoices or rows >= MOST_ROWS

    @contextmanager
    def packed(self, consignment: Consignment) -> Iterator[Package]:
        """Give the consignment as a package that is where Dynamics can read it."""
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spool:
            file: BinaryIO = spool  # type: ignore[assignment]
            write_package(file, self.rules.form, self._entities(consignment.documents))
            yield Package(file, self._uploaded(consignment, file))

    def begin(self, consignment: Consignment, package: Package) -> None:
        """Have Dynamics begin to import; once more where the address may have expired.

        Raises SetupError with the words of Dynamics where it does not.
        """
        wanted = Import(consignment.id, self.rules.form.project, consignment.part)
        try:
            self.data.begin(wanted, package.url)
            return
        except Refused as error:
            if self.data.state(consignment.id) is not State.UNKNOWN:
                return  # it has begun all the same
            first = error
        try:
            self.data.begin(wanted, self._uploaded(consignment, package.file))
        except Refused as error:
            if self.data.state(consignment.id) is not State.UNKNOWN:
                return
            words = REDACTOR.text(str(error) or str(first))
            msg = (
                f"Dynamics does not import the data package: {words}; is there an import project "
                f"{self.rules.form.project!r} in Data management (data_project), with the entities "
                f"{self.rules.header_entity!r} and {self.rules.line_entity!r}?"
            )
            raise SetupError(msg) from None

    def _uploaded(self, consignment: Consignment, file: BinaryIO) -> str:
        """Write the package to an address that Dynamics gives, and return that."""
        for last in (False,) * (ADDRESSES - 1) + (True,):
            url = self.data.write_url(f"{consignment.id}.zip")
            try:
                self.data.put(url, file)
            except AccessDenied:
                if last:
                    raise
            else:
                return url
        raise AssertionError

    def _entities(self, documents: Sequence[Document]) -> Iterator[EntityRows]:
        rules = self.rules
        yield EntityRows(rules.header_entity, HEADER_ELEMENT, 1, map(self._header, documents))
        lines = (row for document in documents for row in _lines(document))
        yield EntityRows(rules.line_entity, LINE_ELEMENT, 2, lines)

    def _header(self, document: Document) -> Row:
        rows: InvoiceRows = document.payload
        marked = half_header(document.key) if self.rules.on_hold else {}
        return _row({"HeaderReference": document.remote_key, **rows.header, **marked})


@dataclass(frozen=True)
class Package:
    """A package, and the address that it was written to."""

    file: BinaryIO
    url: str


def _lines(document: Document) -> Iterator[Row]:
    rows: InvoiceRows = document.payload
    for line in rows.lines:
        yield _row({"HeaderReference": document.remote_key, **line})


def _row(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in NO_FIELDS}
