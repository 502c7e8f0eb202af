"""The operator's command line: look at the ledger, prove it, and put right what is stuck."""
