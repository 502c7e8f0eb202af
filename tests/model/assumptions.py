"""What the model leaves out because the product does not hold it; each is a limit to be named.

Set one to False to see the model find the shortest way to break the promise.
"""

from __future__ import annotations

#: A response names no version of its invoice, and Basware writes under no condition: between our
#: look at an invoice and our answer, nobody transfers it again.
NOT_CHANGED_BETWEEN_LOOK_AND_ANSWER = True

#: With the ledger goes what was not told yet, and no bookmark offers it again: whoever loses the
#: ledger runs invoices from nothing next (or rebuilds the ledger from both systems).
LOST_LEDGER_STARTS_OVER = True

#: A payment comes under the number that its invoice has in Dynamics. Of which invoice that is in
#: Basware, under another number there, only the ledger knows, and only while that one was accepted
#: last. So nobody changes the number, or the company, in Basware of one that is posted.
POSTED_UNDER_ITS_NUMBER = True
