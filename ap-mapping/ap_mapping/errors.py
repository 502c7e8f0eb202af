"""What can be wrong with a mapping: the file itself, or an entry that an invoice needs."""

from __future__ import annotations

#: Section of mapping.yml -> what one of its entries is called in a message.
_KINDS = {
    "companies": "company code",
    "dimensions": "dimension",
    "tax_codes": "tax code",
    "payment_terms": "payment term",
    "payment_methods": "payment method",
    "invoice_types": "invoice type",
    "procurement": "procurement category",
}


class MappingError(ValueError):
    """mapping.yml cannot be used: `file`, `line` and `column` (from 1, None if unknown), `path`."""

    def __init__(
        self,
        problem: str,
        *,
        file: str,
        line: int | None = None,
        column: int | None = None,
        path: str = "",
        remedy: str = "",
    ) -> None:
        self.problem = problem
        self.file = file
        self.line = line
        self.column = column
        self.path = path
        self.remedy = remedy
        where = [file]
        if line is not None:
            where.append(f"line {line}")
        if path:
            where.append(path)
        super().__init__(f"{', '.join(where)}: {problem}" + (f". {remedy}" if remedy else ""))

    @property
    def one_line(self) -> str:
        """The same as compilers say it, `file:line:column: path: problem; remedy`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        words = "; ".join(filter(None, (self.problem, self.remedy)))
        return " ".join(f"{place}: {f'{self.path}: ' if self.path else ''}{words}".split())


class MappingHole(LookupError):
    """A document uses a code that mapping.yml does not list; `legal_entity` None = not yet known.

    The text goes back to Basware as the reason of the rejection, so it names section and key.
    """

    def __init__(self, section: str, key: str, legal_entity: str | None = None) -> None:
        self.section = section
        self.key = key
        self.legal_entity = legal_entity
        where = f" (legal entity {legal_entity})" if legal_entity else ""
        kind = _KINDS.get(section, "code")
        super().__init__(f"{kind} {key!r} has no entry under {section} in mapping.yml{where}")
