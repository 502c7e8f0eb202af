"""What streams add to their rows from other entity sets; one module an idea, by the stream's need.

A composer works a page at a time, so that its memory does not grow with the entity set.
"""

from tap_d365fo.composers.account_companies import AccountCompanies
from tap_d365fo.composers.bank_accounts import BankAccounts
from tap_d365fo.composers.cash_discounts import CashDiscounts
from tap_d365fo.composers.in_turn import InTurn
from tap_d365fo.composers.ledgers import CompanyLedger, RateCompanies
from tap_d365fo.composers.line_orders import LineOrders
from tap_d365fo.composers.product_receipts import ProductReceipts

__all__ = [
    "AccountCompanies",
    "BankAccounts",
    "CashDiscounts",
    "CompanyLedger",
    "InTurn",
    "LineOrders",
    "ProductReceipts",
    "RateCompanies",
]
