"""A reader at work: a copy of the project, both systems, and a ledger with a story in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.demo import LEDGER_KEEPERS
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox

from tests.docs.pages import ROOT, Block
from tests.live.office import Office

#: The invoices that the pages speak of: delivered, but for INV-1043, whose tax code is not mapped.
KEY = "1f0e2d3c-4b5a-6978-8796-a5b4c3d2e1f{}"
FAULTY = "INV-1043"
INVOICES = {
    "INV-1041": "107.36",
    "INV-1042": "55.00",
    "CR-77": "-40.00",
    FAULTY: "268.13",
    "INV-1044": "80.44",
}
#: What of the project a reader has before them.
FILES = ("meltano.yml", "mapping.yml", ".env.example", "Makefile", "pyproject.toml")
FOLDERS = (
    "ap-mapping", "sandbox", "singer-delivery", "tap-basware", "tap-d365fo", "target-basware",
    "target-d365fo",
)  # fmt: skip


def copy_project(folder: Path) -> None:
    """Lay out the project in an empty folder."""
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))


@dataclass
class Reader:
    """Types the blocks of a page, one after the other, into a shell in `folder`."""

    folder: Path
    environment: dict[str, str]
    #: What is theirs where a page has an example: the addresses and credentials of their tenants.
    own: dict[str, str]

    def type(self, block: Block, *, timeout: float = 120) -> str:
        """Run a block as it stands; return what it printed; fails for another exit code.

        What is exported in it holds for the next block.
        """
        typed = block.typed
        for name in self.own:
            typed = re.sub(rf"\b{name}=\S*", f"{name}=${{{name}}}", typed)
        script = f"set -eo pipefail\n. ./.exported\n{typed}\nexport -p > ./.exported\n"
        (self.folder / ".exported").touch()
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == block.exit_code, (
            f"{block}: exit code {done.returncode}, not {block.exit_code}\n{block.typed}\n"
            f"{done.stdout[-3000:]}"
        )
        return done.stdout


def open_reader(sandbox: Sandbox, folder: Path, programs: Path) -> Reader:
    """Put a reader before a project whose invoices have been delivered, or rejected."""
    folder.mkdir()
    copy_project(folder)
    (folder / ".venv").mkdir()
    (folder / ".venv" / "bin").symlink_to(programs)
    settings = sandbox.environment()
    (folder / ".sandbox").mkdir()
    (folder / ".sandbox" / "env").write_text(
        "".join(f"{name}='{value}'\n" for name, value in settings.items())
    )
    (folder / "ledger").mkdir()
    ledger = folder / "ledger" / "sandbox.db"
    tell_the_story(sandbox, ledger)
    home = folder / "home"
    home.mkdir()
    return Reader(
        folder,
        {
            "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "MELTANO_ENVIRONMENT": "sandbox",
            **settings,
            **{f"{plugin}_LEDGER_URL": f"sqlite:///{ledger}" for plugin in LEDGER_KEEPERS},
            "SINGER_DELIVERY_LEDGER_URL": f"sqlite:///{ledger}",
            "TARGET_D365FO_MAPPING_FILE": "mapping.yml",
            "TARGET_BASWARE_MAPPING_FILE": "mapping.yml",
            "TAP_D365FO_METADATA_CACHE": str(folder / "cache"),
        },
        settings,
    )


def tell_the_story(sandbox: Sandbox, ledger: Path) -> None:
    """Deliver the five invoices; the answer for the last one is lost on the way."""
    documents = {
        number: accounting_document(
            number=number,
            invoice_id=KEY.format(place),
            supplier="US-0001",
            rows=[coding_row(net=amount)],
        )
        for place, (number, amount) in enumerate(INVOICES.items())
    }
    documents[FAULTY]["codingRows"][0]["taxCode"] = "US99"
    world = small_world(("usmf", "demf", "gbsi", "jpmf"))
    world.add(basware={"accountingDocuments": list(documents.values())})
    sandbox.load(world)
    office = Office(sandbox, ledger.parent, documents)
    office.deliver()
    office.ledger_file.replace(ledger)
