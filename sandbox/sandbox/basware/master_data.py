"""Master data: lists, single records, upserts by POST and merges by PATCH (reference 4.1, 4.2).

This is the API's own store, which GET shows; what P2P makes of a record is another matter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sandbox.basware.errors import BaswareError, ErrorEntry, not_found, refused
from sandbox.basware.paging import Query, turn_page
from sandbox.basware.records import (
    RecordStore,
    arranged,
    companies_of,
    of_company,
    updated_after,
)
from sandbox.basware.request_status import Item
from sandbox.basware.resources import (
    LISTS,
    RESOURCES,
    Resource,
    list_key_of,
    list_resource,
    store_name,
)
from sandbox.basware.validation import parse_moment

if TYPE_CHECKING:
    from sandbox.basware.p2p import P2P
    from sandbox.basware.paging import Continuations, Page
    from sandbox.basware.request_status import RequestLog
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.basware.validation import Schemas
    from sandbox.clock import Clock

_ARRAY_KEYS = ("externalCode", "companyCode", "language")  # what tells items of an array apart


class MasterData:
    """Every master-data API and generic list. Not locked: the state that owns it is."""

    def __init__(
        self,
        clock: Clock,
        switches: BaswareSwitches,
        schemas: Schemas,
        log: RequestLog,
        p2p: P2P,
    ) -> None:
        self._clock = clock
        self._switches = switches
        self._schemas = schemas
        self._log = log
        self._p2p = p2p
        self._patched: dict[str, datetime] = {}
        self.stores: dict[str, RecordStore] = {}
        self.clear()

    def clear(self) -> None:
        """Forget every record."""
        self._patched.clear()
        self.stores = {resource.name: RecordStore(resource.parent) for resource in RESOURCES}

    def load(self, name: str, entities: list[dict[str, Any]]) -> None:
        """Store seeded entities of the API `name` (`lists/KEY` for a generic list), in P2P too.

        Raises KeyError for an API that does not exist, ValueError for an impossible entity.
        """
        if name.startswith(LISTS):
            resource = list_resource(name.removeprefix(LISTS))
        else:
            resource = {resource.name: resource for resource in RESOURCES}[name]
        store = self.stores.setdefault(name, RecordStore())
        for entity in entities:
            content = self._schemas.tidy(resource.entity, entity)
            given = parse_moment(content.get("lastUpdated", ""))
            key = content[resource.key]
            store.put(key, content, given or self._clock.now())
            if resource.writable:
                self._p2p.save(name, key, store.records[key].content)

    def store(self, resource: Resource) -> RecordStore:
        """The records of one API; an unused generic list is empty."""
        return self.stores.get(store_name(resource)) or RecordStore()

    def page(self, resource: Resource, query: Query, continuations: Continuations) -> Page:
        """A list. Raises 400, and 404 when nothing matches."""
        size = query.page_size(resource.page_default, resource.page_limit)
        parent = query.required(resource.parent) if resource.parent else None
        company = query.get("companyCode") if resource.readable_by_company else None
        status = query.get(resource.status_filter) if resource.status_filter else None
        fresh = updated_after(
            query.moment("lastUpdated"), inclusive=self._switches.last_updated_inclusive
        )
        records = self.store(resource).records

        def wanted(key: str) -> bool:
            record = records.get(key)
            return (
                record is not None
                and fresh(record.updated)
                and (company is None or of_company(record.content, company))
                and (status is None or record.content.get(resource.status_filter or "") == status)
            )

        def select() -> list[str]:
            keys = filter(wanted, self.store(resource).keys(parent))
            return arranged(keys, shuffled=self._switches.shuffled)

        return turn_page(
            continuations,
            query,
            size=size,
            select=select,
            fetch=lambda key: records[key].as_json() if wanted(key) else None,
        )

    def get(self, resource: Resource, key: str) -> dict[str, Any]:
        """One record. Raises 404."""
        record = self.store(resource).records.get(key)
        if record is None:
            raise not_found()
        return record.as_json()

    def post(self, resource: Resource, request_id: str, body: object) -> list[dict[str, Any]]:
        """Write an array of whole entities, all or none; the echo. Raises 400, 409."""
        entities = self._checked(resource, body)
        self._refuse_duplicates(resource, entities)
        self._refuse_lines_without_order(resource, entities)
        return self._save(resource, request_id, "POST", entities)

    def patch(self, resource: Resource, request_id: str, key: str, body: object) -> dict[str, Any]:
        """Merge one entity into the stored one; the result. Raises 400, 404, 503."""
        changes = self._checked_one(resource, body, partial=True)
        record = self.store(resource).records.get(key)
        if record is None:
            raise not_found()
        if changes.get(resource.key, key) != key:
            raise refused(
                400, "EXTERNAL_CODE_MISMATCH", f"{resource.key} differs from the path", key
            )
        self._refuse_concurrent(resource, key)
        merged = self._merge(record.content, changes)
        return self._save(resource, request_id, "PATCH", [merged])[0]

    def _checked(self, resource: Resource, body: object) -> list[dict[str, Any]]:
        if not isinstance(body, list) or not body:
            raise refused(400, "SCHEMA_VALIDATION_ERROR", "an array of entities is expected")
        if len(body) > resource.post_limit:
            raise refused(
                self._switches.too_many_records_status,
                "PARAMETER_VALIDATION_ERROR",
                f"{len(body)} records, at most {resource.post_limit} are allowed",
            )
        entities, errors = [], []
        for number, value in enumerate(body):
            entity, messages = self._read(resource, value)
            entities.append(entity)
            errors += [
                _schema_error(entity, resource.key, f"[{number}] {text}") for text in messages
            ]
        if errors:  # the whole request is refused (4.3)
            raise BaswareError(400, errors)
        return entities

    def _checked_one(
        self, resource: Resource, body: object, *, partial: bool = False
    ) -> dict[str, Any]:
        entity, messages = self._read(resource, body, partial=partial)
        if messages:
            raise BaswareError(
                400, [_schema_error(entity, resource.key, text) for text in messages]
            )
        return entity

    def _read(
        self, resource: Resource, value: object, *, partial: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        refuse = self._switches.unknown_property == "refuse"
        return self._schemas.read(resource.entity, value, refuse_unknown=refuse, partial=partial)

    def _refuse_duplicates(self, resource: Resource, entities: list[dict[str, Any]]) -> None:
        seen: set[str] = set()
        taken = self._taken_codes(resource) if self._switches.prevent_duplicate_codes else {}
        for entity in entities:
            key = entity[resource.key]
            if key in seen:
                raise refused(409, "CONFLICT_IN_POST", f"{resource.key} occurs more than once", key)
            seen.add(key)
            for company in companies_of(entity):
                owner = taken.setdefault((company, entity.get(resource.code or "")), key)
                if resource.code and owner != key:
                    raise refused(
                        409,
                        "CONFLICT_IN_POST",
                        f"{resource.code} belongs to {owner} in company {company}",
                        key,
                    )

    def _taken_codes(self, resource: Resource) -> dict[tuple[str, Any], str]:
        return {
            (company, record.content.get(resource.code or "")): key
            for key, record in self.store(resource).records.items()
            for company in companies_of(record.content)
        }

    def _refuse_lines_without_order(
        self, resource: Resource, entities: list[dict[str, Any]]
    ) -> None:
        if resource.name != "matchingOrderLines" or self._switches.unknown_order != "refuse":
            return
        orders = self.stores["matchingOrders"].records
        errors = [
            ErrorEntry(
                "DATA_VALIDATION_FAILED",
                f"there is no order with external code {line['orderExternalCode']}",
                line[resource.key],
            )
            for line in entities
            if line["orderExternalCode"] not in orders
        ]
        if errors:
            raise BaswareError(400, errors)

    def _refuse_concurrent(self, resource: Resource, key: str) -> None:
        if resource.name != "matchingOrderLines":
            return
        now = self._clock.peek()
        if self._patched.get(key, now) > now:
            raise refused(503, "UNEXPECTED_ERROR", "another request is changing the line", key)
        if self._switches.patch_busy_seconds:
            self._patched[key] = now + timedelta(seconds=self._switches.patch_busy_seconds)

    def _save(
        self, resource: Resource, request_id: str, operation: str, entities: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        name = store_name(resource)
        store = self.stores.setdefault(name, RecordStore())
        items, echo = [], []
        for entity in entities:
            key = entity[resource.key]
            changed = store.put(key, entity, self._clock.now())
            record = store.records[key]
            items.append(
                Item(
                    key,
                    record.content,
                    unchanged=not changed and self._switches.skip_unchanged,
                )
            )
            echo.append(record.as_json())
        if resource.entity_type is None:  # it reports nowhere: taken up at once
            for item in items:
                self._p2p.save(name, item.external_code, item.content)
        else:
            self._log.submit(
                request_id,
                resource.entity_type,
                operation,
                items,
                version=resource.version,
                list_key=list_key_of(resource),
                api=name,
            )
        return echo

    def _merge(self, stored: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
        merged = dict(stored)
        for name, item in changes.items():
            old = stored.get(name)
            if isinstance(old, dict) and isinstance(item, dict):
                merged[name] = self._merge(old, item)
            elif isinstance(old, list) and isinstance(item, list):
                merged[name] = self._merge_arrays(old, item)
            else:
                merged[name] = item
        return merged

    def _merge_arrays(self, old: list[Any], new: list[Any]) -> list[Any]:
        key = next(
            (
                name
                for name in _ARRAY_KEYS
                if all(isinstance(item, dict) and name in item for item in [*old, *new])
            ),
            None,
        )
        if key is None or not self._switches.patch_merges_arrays:
            return new
        merged = {item[key]: item for item in old}
        for item in new:
            merged[item[key]] = self._merge(merged.get(item[key], {}), item)
        return list(merged.values())


def _schema_error(entity: dict[str, Any], key: str, message: str) -> ErrorEntry:
    code = entity.get(key)
    return ErrorEntry("SCHEMA_VALIDATION_ERROR", message, code if isinstance(code, str) else None)
