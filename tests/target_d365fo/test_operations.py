"""What a dry run shows is, byte for byte, what the sender puts on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from ap_mapping import load_mapping
from hypothesis import given
from hypothesis import strategies as st
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.dispatch import Part
from singer_delivery.document import Document
from singer_delivery.errors import InDoubt, SetupError
from singer_delivery.exact_json import encode_json
from tap_d365fo.batch import Changeset, PartResponse, encode_batch
from tap_d365fo.changesets import ChangesetResult
from tap_d365fo.client import D365Client
from tap_d365fo.dimensions import DimensionFormats
from target_d365fo.courier import InvoiceCourier, InvoiceRules
from target_d365fo.judgement import Plan
from target_d365fo.lookup import InvoiceLookup, Pending
from target_d365fo.operations import NUMBER_TO_COME
from target_d365fo.rehearsal import ReadingClient
from target_d365fo.sources import basware_source

MAPPING = load_mapping(Path(__file__).parents[2] / "mapping.yml")
FORMATS = DimensionFormats.of("BusinessUnit-CostCenter", "MainAccount-BusinessUnit-CostCenter")
URL = "https://contoso.operations.example/data"


@dataclass
class Wire(D365Client):
    """A Dynamics that takes everything, numbers headers, and holds nothing before."""

    sent: list[Part] = field(default_factory=list)
    encoded: bytes = b""

    def request(self, method: str, url: str, **given: Any) -> requests.Response:
        answer = requests.Response()
        answer.status_code = 200
        if method == "GET":
            answer._content = b'{"value": []}'
            return answer
        body = given.get("json_body")
        self.sent.append(Part.of(method, url, body, given.get("headers") or {}))
        number = {"dataAreaId": "usmf", "HeaderReference": NUMBER_TO_COME}
        answer._content = encode_json({**(body or {}), **number})
        return answer

    def batch(self, changesets: Sequence[Changeset]) -> list[ChangesetResult]:
        [changeset] = changesets
        _, self.encoded = encode_batch(changesets)
        self.sent += [Part.of(o.method, o.url, o.body, o.headers) for o in changeset.operations]
        return [ChangesetResult(tuple(PartResponse(201) for _ in changeset.operations))]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
amounts = st.decimals("-99999", "99999", places=2).map(str)
invoices = st.builds(
    accounting_document,
    number=st.text("ABC-19", min_size=1, max_size=12),
    invoice_id=st.text("0123456789abcdef", min_size=8, max_size=32),
    rows=st.lists(
        st.builds(coding_row, net=amounts, text=texts, cost_center=st.sampled_from(["CC-01", "7"])),
        min_size=1,
        max_size=4,
    ),
    text1=texts,
    referenceNumber=texts,
    paymentBlock=st.booleans(),
)
earlier = st.lists(
    st.builds(
        lambda number, etag: Pending(
            {"dataAreaId": "usmf", "HeaderReference": number, "@odata.etag": etag}
        ),
        number=st.text("ABC 19'", min_size=1, max_size=20),
        etag=st.sampled_from(["", 'W/"1"']),
    ),
    max_size=2,
)


def courier(client: D365Client, *, derived: bool) -> InvoiceCourier:
    return InvoiceCourier(
        client,
        basware_source(MAPPING),
        lambda: FORMATS,
        InvoiceLookup(client),
        InvoiceRules(derived_reference=derived),
        sleep=lambda _: None,
    )


@given(record=invoices, replaces=earlier, derived=st.booleans())
def test_what_is_told_is_what_is_sent(
    record: dict[str, Any], replaces: list[Pending], derived: bool
) -> None:
    wire = Wire(URL)
    sending = courier(wire, derived=derived)
    document, plan = sending.prepare(record), Plan(tuple(replaces))

    dispatch = sending.dispatch(document, plan)
    assert wire.sent == []
    sending.send(document, plan)

    assert list(dispatch.parts) == wire.sent
    assert dispatch.whole is derived
    place = 0
    for part in dispatch.parts if derived else ():
        # As raw bytes of the request too, one after the other.
        head = f"{part.method} {URL.removesuffix('/data')}{part.path} HTTP/1.1".encode()
        place = wire.encoded.index(head, place)
        place = wire.encoded.index(part.body, place)


def test_a_half_has_to_be_settled_first() -> None:
    document = Document("b77c1f00d", payload=None, fingerprint="")
    half = Pending(
        {
            "dataAreaId": "usmf",
            "HeaderReference": "N-1",
            "InvoiceDescription": "b77c1f00d (incomplete)",
        }
    )

    with pytest.raises(InDoubt, match="of a run that was interrupted"):
        courier(Wire(URL), derived=False).dispatch(document, Plan((half,)))


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "post"])
def test_the_client_of_a_dry_run_cannot_write(method: str) -> None:
    client = ReadingClient(URL)

    with pytest.raises(SetupError, match="only reads"):
        client.request(method, f"{URL}/VendorInvoiceHeaders")
    with pytest.raises(SetupError, match="only reads"):
        client.changeset([client.creation("VendorInvoiceHeaders", {})])
