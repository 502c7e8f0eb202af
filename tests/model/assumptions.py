"""What the model leaves out because the product does not hold it; each is a limit to be named.

Set one to False to see the model find the shortest way to break the promise.
"""

from __future__ import annotations

#: A response names no version of its invoice, and Basware writes under no condition: between our
#: look at an invoice and our answer, nobody transfers it again.
NOT_CHANGED_BETWEEN_LOOK_AND_ANSWER = True

#: The ledger keeps the latest outcome of an invoice, be it that of an older version: the newer
#: one's is then never told. So no operator replays an older version of an invoice that waits.
OLDER_REPLAYED_ONCE_ANSWERED = True

#: With the ledger goes what was not told yet, and no bookmark offers it again: whoever loses the
#: ledger runs invoices from nothing next (or rebuilds the ledger from both systems).
LOST_LEDGER_STARTS_OVER = True

#: A posted invoice is found by its number, or, while the ledger calls it delivered, by description;
#: a rejected change ends that. So nobody changes the number in Basware of one that is posted.
POSTED_UNDER_ITS_NUMBER = True

#: The ledger keeps the number of the version that came last, also of an older one that changed
#: nothing: payments of another invoice with that number are then told of this one. Nor is a posted
#: invoice found by it. So no operator replays a version with another number.
REPLAYED_UNDER_ITS_NUMBER = True

#: A payment that Basware refuses because its invoice is TransferFailed is rejected for good, also
#: where the invoice is accepted later. So nobody pays an invoice of which a change was rejected.
PAID_WHILE_TRANSFERRED = True

#: A payment that Basware has accepted and not confirmed is not seen as the latest of its invoice:
#: an older one that is told after it, in another order or by another run, takes its place. So
#: payments come in order, from one run at a time, where Basware takes its time to confirm.
ACCEPTED_IN_ORDER = True

#: A replay that broke off is not offered again by any bookmark, and the outcome that the invoice
#: had before is gone: whoever replays sees it through before anything else.
BROKEN_REPLAY_IS_REPEATED = True
