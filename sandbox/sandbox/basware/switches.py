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
    largest_body: int = 6 * 1024 * 1024  # bytes of a request; "6 MB" may be less (4.2)
    too_large_status: int = 413  # of the gateway, or 400 of the service (4.2)
    too_many_records_status: int = 400  # or 413 (4.2)
    unknown_list_key_status: int = 400  # of a write; or 404 (3.3)
    patch_busy_seconds: float = 0.0  # so long another PATCH of the same order line gets a 503 (3.5)

    # -- responses to invoices (3.1)
    already_transferred_status: int = 400  # a second transferResponse
    repeated_external_code_status: int = 409
    response_after_failure: bool = False  # "only once (unless it is retransferred from P2P)"

    # -- asynchronous processing (4.4)
    request_status_enabled: bool = True  # False: requestStatus answers 404
    settle_seconds: float = 0.0  # from the 200 to a final requestStatus
    never_settles: bool = False  # P2P takes nothing up; all waits until this is off again
    skip_unchanged: bool = True  # an identical record settles as NotProcessed
    skip_unchanged_after_error: bool = True  # even when P2P refused it the first time

    # -- push notifications (6, 10)
    signature_form: str = "sha256=hex"  # or hex, HEX, base64, each with or without sha256=
    connection_test_signed: bool = True
    misspelled_task_type: bool = False  # as in the example of the specification
    notification_lifetime: int = 86400  # seconds until its expirationTime; may be negative
    notification_attempts: int = 3
    notification_pause: float = 1.0  # seconds between two attempts
    drop_percent: int = 0  # so many of the notifications are never sent
    duplicates: int = 0  # so many times more each of them is sent
    reorder: int = 0  # so many are held back, then sent the latest first
    forge: bool = False  # each is preceded by one that somebody else has signed
    drop_subscription_after: int = 0  # failed deliveries in a row; 0 = never

    # -- what P2P makes of a record (3.2 to 3.5): "error", "warning" (saved all the same) or "off"
    check_company_codes: bool = True  # a record of a company that P2P does not have is an Error
    p2p_company_codes: tuple[str, ...] = ()  # set up by hand; empty = those of the companies API
    p2p_currencies: tuple[str, ...] = ()  # those that are active in P2P; empty = all
    unknown_currency: str = "error"
    unknown_payment_term: str = "error"  # a vendor's term is not there, or not active
    repeated_bank_account: str = "error"  # within one vendor
    unknown_supplier: str = "error"  # an order's vendor is not in the order's company
    unknown_order: str = "error"  # an order line whose order is not there; "refuse": a 400 at once
    quantity_not_positive: str = "error"  # of an order line; 1 for blanket and service lines
    line_without_is_deleted: str = "warning"  # best-fit matching passes over such a line
    unknown_list_column: str = "error"  # a column, or a text, that the list's table cannot hold
    bank_account_in_message: bool = False  # P2P's words repeat the number
