"""One Basware tenant of the demo: its Basware, its ledger and state, its share of mapping.yml."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from sandbox.basware.p2p import active_companies
from sandbox.demo_process import Command, borrow_environments

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from sandbox.seed.tenants import Tenant
    from sandbox.server import Sandbox

#: Every instance of a plugin that Meltano runs, as the prefix of its settings.
INSTANCES = (
    "TAP_BASWARE",
    "TAP_D365FO",
    "TAP_D365FO_MASTERS",
    "TAP_D365FO_PAYMENTS",
    "TARGET_D365FO",
    "TARGET_BASWARE",
)
#: Those that keep, or read, the ledger.
LEDGER_KEEPERS = tuple(name for name in INSTANCES if name != "TAP_BASWARE")
_READ_D365FO = tuple(name for name in INSTANCES if name.startswith("TAP_D365FO"))
_MAPPED = ("TARGET_D365FO", "TARGET_BASWARE")


@dataclass(frozen=True)
class Desk:
    """A tenant in its work folder: `basware` serves its Basware side, `dynamics` the other."""

    tenant: Tenant
    basware: Sandbox
    dynamics: Sandbox
    folder: Path

    def prepare(self, mapping: Path, system: Path) -> None:
        """Write the tenant's part of the file `mapping`; borrow the plugins of `system`."""
        self.folder.mkdir(parents=True)
        codes = [company.code for company in self.tenant.companies]
        text = cut_mapping(mapping.read_text(encoding="utf-8"), codes, self.tenant.legal_entities)
        self._mapping.write_text(text, encoding="utf-8")
        borrow_environments(system, self.folder / "system")

    def command(
        self, project: Path, environment: Mapping[str, str], job: str, log: str = ""
    ) -> Command:
        """The Meltano job for this tenant; its log is `job`.log, or another name."""
        return Command(
            ("run", job),
            project,
            {**environment, **self.settings()},
            self.folder / f"{log or job}.log",
        )

    @property
    def report(self) -> Path:
        """The page that tells of its invoices."""
        return self.folder.parent / "report.html"

    def report_command(self, project: Path, environment: Mapping[str, str]) -> Command:
        """`singer-delivery report` on all of its invoices, from both live systems."""
        dates = (document.get("invoiceDate") for document in self.documents().values())
        first = min(str(date)[:10] for date in dates if date)
        return Command(
            ("report", "--since", first, "--output", str(self.report)),
            project,
            {**environment, **self.settings()},
            self.folder / "report.log",
            program="singer-delivery",
            fine=(0, 1),  # 1: something needs somebody, which the page tells
        )

    def settings(self) -> dict[str, str]:
        """The settings that differ between tenants, as environment variables."""
        given = {**self.basware.environment(), **_dynamics_only(self.dynamics.environment())}
        ledger = f"sqlite:///{self.folder}/ledger.db"
        return {
            **given,
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_SYS_DIR_ROOT": str(self.folder / "system"),
            "MELTANO_AUTO_INSTALL": "false",
            "SINGER_DELIVERY_LEDGER_URL": ledger,
            **{f"{name}_LEDGER_URL": ledger for name in LEDGER_KEEPERS},
            **{f"{name}_MAPPING_FILE": str(self._mapping) for name in _MAPPED},
            **{
                f"{name}_{setting}": value
                for name in _READ_D365FO
                for setting, value in (
                    ("COMPANIES", json.dumps(self.tenant.legal_entities)),
                    ("METADATA_CACHE", str(self.folder / "metadata")),
                )
            },
        }

    @property
    def _mapping(self) -> Path:
        return self.folder / "mapping.yml"

    def open_mail(self) -> None:
        """Let the tenant's approved invoices arrive."""
        self.basware.basware.load(self.tenant.documents)

    def documents(self) -> dict[str, dict[str, Any]]:
        """The invoices that the demo is about, as Basware holds them now, by invoiceId."""
        return {
            document["invoiceId"]: document
            for document in self.basware.basware.documents()
            if document["invoiceId"] in self.tenant.expected
        }

    def masters(self) -> dict[str, list[dict[str, Any]]]:
        """What the tenant's P2P holds, by API."""
        state = self.basware.basware
        return {name: state.p2p(name) for name in state.p2p_resources()}

    def masters_in_words(self) -> str:
        """How many records its P2P holds, by API; inactive ones in brackets."""
        return ", ".join(
            f"{name} {_count(records)}" for name, records in sorted(self.masters().items())
        )

    def last_exchange(self) -> int:
        """The number of the latest exchange with its Basware."""
        exchanges = self.basware.journal.requests()
        return exchanges[-1].number if exchanges else 0

    def writes_since(self, number: int) -> int:
        """How many requests have written masters or responses to its Basware since then."""
        return sum(
            exchange.method in {"POST", "PATCH", "DELETE"}
            and not exchange.path.startswith(("/v1/tokens", "/v1/requestStatus"))
            for exchange in self.basware.journal.requests("basware", since=number)
        )


def _dynamics_only(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in settings.items() if "_D365FO_" in name}


def _count(records: list[dict[str, Any]]) -> str:
    idle = sum(not active_companies(record) for record in records if _has_place(record))
    return f"{len(records)} ({idle} inactive)" if idle else str(len(records))


def _has_place(record: dict[str, Any]) -> bool:
    return "companies" in record or "companyCode" in record


def cut_mapping(text: str, companies: Collection[str], legal_entities: Collection[str]) -> str:
    """The text of a mapping.yml with these companies and legal entities only, else unchanged.

    Raises ValueError for a file that is no mapping.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        msg = "mapping.yml is no mapping"
        raise ValueError(msg)
    kept = {"companies": companies, "legal_entities": legal_entities}
    lines = text.splitlines(keepends=True)
    for key, section in reversed(root.value):
        if key.value in kept and isinstance(section, yaml.MappingNode):
            for start, end in reversed(_entries(section, kept[key.value])):
                del lines[start : _end_of_block(lines, start, end)]
    return "".join(lines)


def _entries(section: yaml.MappingNode, kept: Collection[str]) -> list[tuple[int, int]]:
    """First line of each entry that is not kept, and of what follows it."""
    starts = [key.start_mark.line for key, _ in section.value]
    ends = [*starts[1:], section.end_mark.line]
    return [
        (start, end)
        for (key, _), start, end in zip(section.value, starts, ends, strict=True)
        if key.value not in kept
    ]


def _end_of_block(lines: list[str], start: int, end: int) -> int:
    """Leave what is between a block and the next one: empty lines and the next one's comment."""
    while end > start + 1 and not lines[end - 1].startswith(" "):
        end -= 1
    return end
