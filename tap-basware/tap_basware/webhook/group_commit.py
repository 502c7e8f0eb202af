"""Many notifications, one durable transaction: who waits longest waits for two of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tap_basware.notification import Notification

#: The most that one transaction takes.
LARGEST = 500
Waiting = tuple[Notification, "asyncio.Future[None]"]


class GroupCommit:
    """Collects notifications while a transaction runs; the next one takes all of them.

    `note` writes durably, and returns those that were new; `on_noted` is told how many there were
    and which were new.
    """

    def __init__(
        self,
        note: Callable[[Sequence[Notification]], Sequence[Notification]],
        on_noted: Callable[[int, Sequence[Notification]], None],
    ) -> None:
        self._note = note
        self._on_noted = on_noted
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None
        # One thread: transactions come one after the other.
        self._thread = ThreadPoolExecutor(1, "inbox")

    def add(self, notification: Notification) -> Awaitable[None]:
        """Return what is done when the notification is durable. Raises InboxError there."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((notification, done))
        if self._task is None:
            self._task = loop.create_task(self._write())
        return done

    async def close(self) -> None:
        """Write what is waiting, then end."""
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
                notifications = [notification for notification, _ in group]
                try:
                    new = await loop.run_in_executor(self._thread, self._note, notifications)
                except Exception as error:  # noqa: BLE001 - whoever waits is told
                    _settle(group, error)
                else:
                    _settle(group, None)
                    self._on_noted(len(group), new)
        finally:
            self._task = None


def _settle(group: Sequence[Waiting], error: Exception | None) -> None:
    for _, done in group:
        if done.done():  # the client is gone
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
