"""Switches of the Basware side: what its documentation leaves open, with the best inference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class BaswareSwitches:
    """Sections in the comments are those of the Basware reference."""

    # -- tokens (1.2) and authorisation (10)
    token_lifetime: int = 3600  # seconds; customers get 300 to 86400 at provisioning
    missing_scope_status: int = 401  # or 403
    security_error_body: str = "message"  # "message", or "list" = ResponseEntityList (10)
    accept_basic_auth: bool = True  # legacy authentication (1.3)

    granted_scopes: tuple[str, ...] = ()  # what the client may ask for; empty = every scope

    # -- reading (2.1 to 2.4)
    redirect: bool = True  # accountingDocuments and exportedPurchaseOrders answer with a 302
    redirect_lifetime: int = 900  # seconds that a redirect's address is good for
    redirect_objects: int = 200  # how many of these addresses are kept, the latest
    token_on_redirect: bool = False  # the continuation header on the 302 as well
    continuation_lifetime: int = 900  # seconds (10)
    page_coding_rows: int = 2000  # a page ends before the invoice that takes it past this (2.1)
    bare_vendor_array: bool = False  # real clients saw a bare array (2.4)
    bare_order_line_array: bool = False  # the same for matchingOrderLines (2.4)
    shuffled: bool = True  # no order is documented (10); False = in order of arrival
    last_updated_inclusive: bool = False  # "updated after" (2.2, 10)
    invoice_lines: bool = False  # tenant setting TransferInvoiceLinesEnabled (3.1)
    new_fields: bool = False  # invoices carry fields that no document knows yet (0, fact 7)
    status_enabled: bool = True  # accountingDocuments/status is switched on per tenant (3.1)

    # -- writing (4.1 to 4.3)
    unknown_property: str = "accept"  # "accept" (and ignore), or "refuse" (10)
    patch_merges_arrays: bool = True  # by the key of their items; False = arrays are replaced (4.1)
    prevent_duplicate_codes: bool = False  # tenant flag: one record code per company (4.1)

    # -- responses to invoices (3.1)
    already_transferred_status: int = 400  # a second transferResponse
    repeated_external_code_status: int = 409
    response_after_failure: bool = False  # "only once (unless it is retransferred from P2P)"

    # -- asynchronous processing (4.4)
    settle_seconds: float = 0.0  # from the 200 to a final requestStatus
    skip_unchanged: bool = True  # an identical record settles as NotProcessed
    check_company_codes: bool = True  # a record for a company that was never imported is an Error
