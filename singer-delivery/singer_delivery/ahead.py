"""Reading ahead: the next page is fetched while the last one is used."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context
from queue import SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")


def one_ahead(pages: Iterator[T]) -> Iterator[T]:
    """Yield what an iterator yields; meanwhile the one that follows is made in another thread.

    Never more than one is ahead. What the iterator raises comes when all before it has been used.
    Nobody waits for what is in the making when the user stops: its thread ends with it, or with
    the process.
    """
    first = next(pages, _END)
    if isinstance(first, _End):
        return
    ahead = _Ahead(pages)
    try:
        ahead.ask()
        yield first
        while not isinstance(page := ahead.wait(), _End):
            ahead.ask()
            yield page
    finally:
        ahead.leave()


class _End:
    """Nothing follows; `error` says why, where it is not simply the end."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


_END = _End()


class _Ahead(Generic[T]):
    """A thread that takes one item of an iterator each time it is asked."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._made: SimpleQueue[T | _End] = SimpleQueue()
        context = copy_context()
        # A daemon: a stop does not wait for an answer that nobody will read.
        threading.Thread(
            target=context.run, args=(self._work,), name="one ahead", daemon=True
        ).start()

    def ask(self) -> None:
        """Have the next one made."""
        self._asked.put(True)

    def leave(self) -> None:
        """Ask for nothing more."""
        self._asked.put(False)

    def wait(self) -> T | _End:
        """Return what was asked for. Raises what came up when it was made."""
        made = self._made.get()
        if isinstance(made, _End) and made.error:
            raise made.error
        return made

    def _work(self) -> None:
        while self._asked.get():
            try:
                self._made.put(next(self._items, _END))
            except BaseException as error:  # noqa: BLE001 - it is raised where the page is missed
                self._made.put(_End(error))
