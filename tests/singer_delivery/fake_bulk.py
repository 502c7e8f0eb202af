"""A remote system that takes records in bulk, later says what it made of them, and fails."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from singer_delivery.bulk import BulkCourier, Receipt, RecordRefusal
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import Refused
from singer_delivery.exact_json import encode_json


@dataclass
class Register:
    """Holds the records of all resources; a request is stored whole or refused whole.

    `invalid` maps keys to what is wrong with them, `named` says whether a refusal tells whose
    fault it is. `failing` is called with each request before it is answered and may raise;
    `losing` after it was stored. `asynchronous` answers with a request id only; `looks` is how
    often one has to look before something is final, `verdicts` what becomes of a key.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    inactive: set[str] = field(default_factory=set)
    invalid: dict[str, str] = field(default_factory=dict)
    named: bool = False
    asynchronous: bool = False
    looks: int = 1
    verdicts: dict[str, Outcome] = field(default_factory=dict)
    failing: Callable[[Sequence[Document]], None] = lambda _: None
    losing: Callable[[Sequence[Document]], None] = lambda _: None
    asking: Callable[[str], None] = lambda _: None
    requests: list[tuple[str, list[str]]] = field(default_factory=list)
    withdrawals: list[str] = field(default_factory=list)
    looked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, stream: str, documents: Sequence[Document]) -> Receipt:
        """Answer one request."""
        with self.lock:
            keys = [document.key for document in documents]
            self.requests.append((stream, keys))
            self.failing(documents)
            wrong = {key: self.invalid[key] for key in keys if key in self.invalid}
            if wrong and self.named:
                raise RecordRefusal("400: some are wrong", culprits=wrong, status=400)
            if wrong:
                raise Refused("; ".join(wrong.values()), status=400, request_id="r-400")
            for document in documents:
                self.rows.setdefault(stream, {})[document.key] = document.payload
                self.inactive.discard(document.key)
            self.losing(documents)
            return Receipt(f"r-{len(self.requests)}" if self.asynchronous else "")

    def status(self, request_id: str, keys: Collection[str]) -> dict[str, Outcome]:
        """Say what became of a request."""
        with self.lock:
            self.asking(request_id)
            self.looked[request_id] += 1
            if self.looked[request_id] < self.looks:
                return {}
            delivered = Outcome(Status.DELIVERED)
            found = {key: self.verdicts.get(key, delivered) for key in keys}
            return {key: outcome for key, outcome in found.items() if outcome.status != "accepted"}

    def take_out(self, stream: str, document: Document) -> Receipt:
        """Answer the withdrawal of one record."""
        with self.lock:
            self.withdrawals.append(document.key)
            self.failing([document])
            if document.key in self.invalid:
                raise Refused(self.invalid[document.key], status=400)
            self.inactive.add(document.key)
            return Receipt(f"w-{len(self.withdrawals)}" if self.asynchronous else "")

    def held(self, stream: str) -> list[str]:
        """Return the keys of a resource."""
        return sorted(self.rows.get(stream, {}))

    def sizes(self, stream: str = "accounts") -> list[int]:
        """Return how many records each request to a resource held."""
        return [len(keys) for name, keys in self.requests if name == stream]


@dataclass
class RegisterCourier(BulkCourier):
    """Delivers to one resource of a Register."""

    register: Register
    stream: str = "accounts"
    rank: int = 1
    max_records: int = 500
    max_bytes: int = 1_000_000

    def size(self, document: Document) -> int:
        return len(encode_json(document.payload)) + 1

    def send(self, documents: Sequence[Document]) -> Receipt:
        return self.register.put(self.stream, documents)

    def merge(self, document: Document, known: Entry | None) -> Document:
        """Send companies that are not named any more as inactive."""
        before = known.detail.get("companies", []) if known else []
        named = document.payload.get("companies", [])
        gone = [company for company in before if company not in named]
        payload = {**document.payload, **({"gone": gone} if gone else {})}
        return replace(document, payload=payload, detail={"companies": [*named, *gone]})

    def confirm(self, request_id: str, keys: Collection[str]) -> Mapping[str, Outcome]:
        return self.register.status(request_id, keys)

    def withdrawal(self, entry: Entry) -> Document | None:
        if entry.key.startswith("eternal"):
            return None
        return Document(entry.key, {"active": False}, "")

    def withdraw(self, document: Document) -> Receipt:
        return self.register.take_out(self.stream, document)


def document(key: str, content: Any = 1, **more: Any) -> Document:
    """Return a record as a document of the source `main_accounts`."""
    payload = {"code": key, "content": content, **more.pop("payload", {})}
    given = {"source": "main_accounts", "scope": "usmf", **more}
    return Document(key, payload, fingerprint(payload), **given)
