"""Behaviours of F&O that differ between environments or that nobody has seen for sure.

The section in each comment is that of the F&O reference; defaults are its best inference.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class D365Switches:
    """One field a behaviour; see `sandbox.switches`."""

    # Reading
    page_size: int = 10_000  # §2.1: rows of a server page
    honour_maxpagesize: bool = False  # §2.1: `Prefer: odata.maxpagesize`
    max_url_bytes: int = 16_384  # §2.2: the request line of HTTP.sys; longer -> 414
    max_query_bytes: int = 0  # §2.2: the query limit of IIS (2048); longer -> 404.15; 0 = none

    # Statuses and shapes of errors
    business_error_status: int = 400  # §2.4: 500 on platforms of 2020
    batch_error_status: int = 400  # §2.4: 500 inside $batch on some
    stale_etag_status: int = 412  # §9: or 400 with an update conflict
    changeset_error_content_id: str = "first"  # §2.6: as captured; or "failing"
    changeset_error_nested: bool = True  # §2.6: the one error part inside a changeset response
    batch_continue_on_error: bool = True  # §2.6: else the first failure ends the batch
    batch_max_operations: int = 5_000  # §2.6

    # Writing
    write_seconds: float = 0.001  # §2.5: how long a new line holds its invoice: update conflicts
    long_strings: str = "error"  # §4.0: over-long text is an "error", or "truncate"
    max_lengths: dict[str, int] = field(default_factory=dict)  # "Set.Field" -> length, §4.0
    read_only_fields: str = "ignore"  # §2.3: a read-only property is sent: "ignore" or "error"
    return_representation: bool = False  # §9: `Prefer: return=representation` on PATCH

    # Vendor invoices
    manual_header_reference: bool = True  # §5.2: the number sequence allows manual numbers
    continuous_numbers: bool = False  # §3: a number that is freed is given to the next invoice
    duplicate_check: str = "entry"  # §5.5: "entry" or "posting"
    require_item_or_category: bool = False  # §9: a line with only a main account is refused
    net_amount: str = "recompute"  # §5.3: an inconsistent NetAmount: "recompute" or "keep"
    short_dimension_strings: str = "error"  # §5.4: segments missing at the end: "error", "accept"
    keep_description: bool = True  # design: InvoiceDescription survives as Jour.Description

    # Payments
    settlement_includes_cash_discount: bool = True  # §4.9: SettleAmountCur of the invoice's side
    cash_discount_signed_as_settlement: bool = False  # §4.9: else positive for an invoice

    # Data packages (§3.2); what is not said there is general knowledge
    package_projects: tuple[str, ...] = ("Basware vendor invoices",)  # import projects there are
    package_formats: tuple[str, ...] = ("XML-Element",)  # source data formats there are
    package_date_format: str = "%Y-%m-%d %H:%M:%S"
    package_begin_seconds: float = 0.0  # how long the call takes that begins an import
    package_queue_seconds: float = 0.0  # how long it waits for a batch server: NotRun
    package_seconds: float = 0.05  # how long it takes, whatever is in it
    package_row_seconds: float = 0.0  # and for each row
    package_outcome: str = ""  # it ends as Failed (nothing written), Canceled (after the headers)
    package_forgets: int = 0  # so many imports are answered and never begun
    package_unknown: str = "error"  # an execution that does not exist: an "error", or "Unknown"
    package_error_rows: str = "named"  # errors have the key of their row: "named", or "nameless"
    package_parallel: bool = False  # an import may begin while another one runs
    package_address_seconds: int = 1800  # how long an address to write to is good for
    package_expired_addresses: int = 0  # so many addresses have expired when they are given
    package_address_scheme: str = "https"  # or "http": an address that is not encrypted
    package_forbidden: tuple[str, ...] = ()  # actions that the user has no right to

    # Tokens
    token_seconds: int = 3599  # §1.1
