"""Packing documents into the fewest requests that keep them in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Pack(Generic[T]):
    """What goes into one request; `size` is the sum of its items' sizes, in bytes."""

    items: list[T] = field(default_factory=list)
    size: int = 0


def packs(sized: Iterable[tuple[T, int]], *, max_records: int, max_bytes: int) -> Iterator[Pack[T]]:
    """Yield packs filled one after the other, each as full as the limits allow.

    No other way of cutting the same order into packs needs fewer of them. An item that is larger
    than `max_bytes` gets a pack of its own. Takes no more items than the pack being filled needs.
    """
    pack: Pack[T] = Pack()
    for item, size in sized:
        full = len(pack.items) == max_records or pack.size + size > max_bytes
        if pack.items and full:
            yield pack
            pack = Pack()
        pack.items.append(item)
        pack.size += size
        if len(pack.items) == max_records:
            yield pack
            pack = Pack()
    if pack.items:
        yield pack


def fewest(records: int, size: int, *, max_records: int, max_bytes: int) -> int:
    """Return a number of requests that no packing of these can go below."""
    return max(-(-records // max_records), -(-size // max_bytes))
