"""Forms of values that Basware takes."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:?\d\d)?)?")
#: Basware refuses upper case in e-mail addresses.
EMAIL = re.compile(r"[^@\sA-Z]+@[^@\sA-Z]+")
INT32 = (-(2**31), 2**31 - 1)


def is_date(value: Any) -> bool:
    """Tell whether a value is the text of a day or an instant that exists."""
    if not isinstance(value, str) or not DATE.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
