"""The report on a period: what was moved, what agrees, and what needs somebody.

`gathering` reads ledger and live systems into `model.Report`; `tables` puts its figures into rows,
which `page`, `sheets` and `objects` write as HTML, CSV and JSON: all three hold the same figures.
"""
