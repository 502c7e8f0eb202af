"""The page for a reader with tenants of their own, typed from end to end with the real Meltano."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.demo_process import borrow_environments

from tests.docs.pages import Block, page
from tests.docs.reader import Reader, copy_project

NAME = "docs/getting-started.md"
INSTALLED = Path(sys.executable).parent
SECRETS = {"basware": "basware-secret", "dynamics": "entra-secret"}


def test_a_stranger_gets_to_the_end(installed_plugins: Path, tmp_path: Path) -> None:
    reader = stranger(installed_plugins, tmp_path / "project")
    said: dict[str, str] = {}
    blocks = [block for block in page(NAME).blocks if block.is_shell and not block.not_run]
    serving = next(block for block in blocks if "sandbox serve" in block.text)
    with in_another_terminal(reader, serving):
        for block in blocks:
            if block is not serving:
                said[block.text] = reader.type(secrets_piped(block), timeout=300)
        assert_what_the_page_promises(said)
    secrets = set(SECRETS.values())
    for file in (".env", "meltano.yml", "secrets.vault"):
        text = (reader.folder / file).read_bytes()
        assert not [secret for secret in secrets if secret.encode() in text], file


def assert_what_the_page_promises(said: dict[str, str]) -> None:
    def shown(words: str) -> str:
        return next(output for text, output in reversed(said.items()) if words in text)

    assert "nothing is wrong" in shown("doctor")
    assert "vendors: 75 delivered in 1 request" in shown("run masters")
    assert "rejected" not in shown("run masters")
    looked = shown("reconcile")
    assert "delivered" in looked
    assert "rejected" in looked
    assert "reconciled: yes" in looked


def stranger(system: Path, folder: Path) -> Reader:
    """A clone with an installation, and nobody's settings."""
    folder.mkdir()
    copy_project(folder)
    (folder / ".venv").symlink_to(INSTALLED.parent)
    borrow_environments(system, folder / ".meltano")
    (folder / "home").mkdir()
    return Reader(
        folder,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(folder / "home"),
            "LANG": "C.UTF-8",
            "NO_COLOR": "1",
            "MELTANO_AUTO_INSTALL": "false",
        },
        {},
    )


def secrets_piped(block: Block) -> Block:
    """The block, with what is typed where a secret is asked for piped in."""
    text = block.text
    for name, secret in SECRETS.items():
        asked = f"singer-secrets set {name}\n"
        text = text.replace(asked, f"singer-secrets set {name} <<< '{secret}'\n")
    return Block(block.page, block.line, block.language, text, block.comment)


@contextmanager
def in_another_terminal(reader: Reader, block: Block) -> Iterator[None]:
    """Type what stays in the foreground elsewhere; wait until it has written its settings."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {block.typed}"],
        cwd=reader.folder,
        env=reader.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not (reader.folder / ".sandbox" / "env").exists():
            assert process.poll() is None, "the sandbox did not start"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
