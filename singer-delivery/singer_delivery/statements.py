"""SQL that runs for each of many rows: it goes to the driver as it is, with rows as plain tuples.

SQLAlchemy takes longer to prepare the values of a row than either database to deal with them. Both
kinds are written with `:names`, and are the same for SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

Values: TypeAlias = tuple[Any, ...]
#: One value, whatever their number: the statement is the same, and prepared once.
SQLITE_LIST = "IN (SELECT value FROM json_each(:among))"
ARRAY = "= ANY(:among)"
_NAMED = re.compile(r"(?<!:):(\w+)")


class Statement:
    """A statement that is carried out once for each of several rows.

    `names` are the values of a row, in their order; in the text a name may stand several times.
    """

    def __init__(self, sql: str, names: Sequence[str]) -> None:
        used = _NAMED.findall(sql)
        self.names = tuple(names)
        self._spread: Callable[[Values], Values] | None = None
        if used != list(names):
            self._spread = itemgetter(*map(self.names.index, used))
        self._sql = _in_dialects(sql)

    def run(self, connection: Connection, rows: Collection[Values]) -> None:
        """Carry it out for each row; for none, do nothing."""
        if not rows:
            return
        given = list(map(self._spread, rows)) if self._spread else list(rows)
        connection.exec_driver_sql(self._sql[connection.dialect.name], given)


class Question:
    """A SELECT about many keys at a time: `IN :among` stands for them."""

    def __init__(self, sql: str) -> None:
        self._names = _NAMED.findall(sql)
        self._sql = {
            "sqlite": _in_dialects(sql.replace("IN :among", SQLITE_LIST))["sqlite"],
            "postgresql": _in_dialects(sql.replace("IN :among", ARRAY))["postgresql"],
        }

    def ask(
        self, connection: Connection, among: Collection[str], **values: Any
    ) -> Sequence[Values]:
        """Return the rows, in no order. Raises SQLAlchemyError."""
        if not among:
            return []
        dialect, keys = connection.dialect.name, list(among)
        given = {**values, "among": json.dumps(keys) if dialect == "sqlite" else keys}
        row = tuple(given[name] for name in self._names)
        sql, driver = self._sql[dialect], connection.dialect.loaded_dbapi
        # All at once, and as they are: what SQLAlchemy makes of a row costs as much as to find it.
        result = connection.exec_driver_sql(sql, row)
        try:
            found: Sequence[Values] = result.cursor.fetchall()
        except driver.Error as error:
            raise DBAPIError(sql, None, error) from None
        result.close()
        return found


def _in_dialects(sql: str) -> dict[str, str]:
    return {
        "sqlite": _NAMED.sub("?", sql),
        "postgresql": _NAMED.sub("%s", sql.replace("%", "%%")),
    }
