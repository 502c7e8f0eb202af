"""What P2P holds: the records that it took up, which is not all that the API was given (4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.basware.p2p_checks import complaints
from sandbox.basware.records import companies_of
from sandbox.basware.resources import RESOURCES

if TYPE_CHECKING:
    from sandbox.basware.switches import BaswareSwitches

_CODES = {resource.name: resource.code for resource in RESOURCES if resource.code}


class P2P:
    """Records by API and key, as they were last taken up. Not locked: the state that owns it is."""

    def __init__(self, switches: BaswareSwitches) -> None:
        self.switches = switches
        self._records: dict[str, dict[str, dict[str, Any]]] = {}
        self._by_code: dict[tuple[str, str, str], dict[str, None]] = {}

    def clear(self) -> None:
        """Hold nothing."""
        self._records.clear()
        self._by_code.clear()

    def names(self) -> list[str]:
        """The APIs of which it holds records, in order of arrival."""
        return [name for name, records in self._records.items() if records]

    def records(self, name: str) -> list[dict[str, Any]]:
        """The entities of one API, in order of arrival."""
        return list(self._records.get(name, {}).values())

    def record(self, name: str, key: str) -> dict[str, Any] | None:
        """One entity, None where it is not held."""
        return self._records.get(name, {}).get(key)

    def with_code(self, name: str, company: str, code: str) -> list[dict[str, Any]]:
        """The entities with a record code (vendorCode, paymentTermCode, …) in a company."""
        keys = self._by_code.get((name, company, code), {})
        return [self._records[name][key] for key in keys]

    def company_codes(self) -> set[str]:
        """The companies of its organisation."""
        return set(self.switches.p2p_company_codes) or set(self._records.get("companies", {}))

    def take(self, name: str, key: str, content: dict[str, Any]) -> tuple[str, list[str]]:
        """Take a record up, or not: the item's status and, unless it is Success, the messages."""
        found = list(complaints(self, name, content))
        errors = [message for severity, message in found if severity == "error"]
        if errors:
            return "Error", errors
        self.save(name, key, content)
        warnings = [message for _, message in found]
        return ("Warning", warnings) if warnings else ("Success", [])

    def save(self, name: str, key: str, content: dict[str, Any]) -> None:
        """Hold a record, unchecked."""
        records = self._records.setdefault(name, {})
        for place in self._places(name, records.get(key)):
            self._by_code[place].pop(key, None)
        records[key] = content
        for place in self._places(name, content):
            self._by_code.setdefault(place, {})[key] = None

    def _places(self, name: str, content: dict[str, Any] | None) -> list[tuple[str, str, str]]:
        code = _CODES.get(name)
        if content is None or code is None or code not in content:
            return []
        return [(name, company, content[code]) for company in companies_of(content)]


def active_companies(content: dict[str, Any]) -> set[str]:
    """The companies in which a record can be used: it is there, and neither it nor its part off.

    An order or order line is off when it is closed or deleted.
    """
    status = content.get("processingStatus", {})
    on = status.get("active", True) and content.get("active", True)
    if not on or content.get("isClosed") or content.get("isDeleted"):
        return set()
    codes = {
        part["companyCode"] for part in content.get("companies", ()) if part.get("active", True)
    }
    return codes | ({content["companyCode"]} if "companyCode" in content else set())
