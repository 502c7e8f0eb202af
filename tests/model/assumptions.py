"""What the model leaves out because the product does not hold it; each is a limit to be named.

Set one to False to see the model find the shortest way to break the promise.
"""

from __future__ import annotations

#: A transfer response names no version: told late, it answers a version that Basware has by then.
#: So nobody changes an invoice between its delivery and its answer, no operator sends an older
#: version of one that waits, and no second ledger tells outcomes of versions gone by.
ANSWERED_BEFORE_CHANGED = True

#: With the ledger goes what was not told yet, and no bookmark offers it again: whoever loses the
#: ledger runs invoices from nothing next (or rebuilds the ledger from both systems).
LOST_LEDGER_STARTS_OVER = True

#: A posted invoice is found by its number, or, while the ledger calls it delivered, by description;
#: a rejected change ends that. So nobody changes the number in Basware of one that is posted, nor
#: replays a version with another number.
POSTED_UNDER_ITS_NUMBER = True

#: A payment that Basware refuses because its invoice is TransferFailed is rejected for good, also
#: where the invoice is accepted later. So nobody pays an invoice of which a change was rejected.
PAID_WHILE_TRANSFERRED = True

#: A payment that Basware has accepted and not confirmed is not seen as the latest of its invoice:
#: an older one that is told after it, in another order or by another run, takes its place. So
#: payments come in order, from one run at a time, where Basware takes its time to confirm.
ACCEPTED_IN_ORDER = True
