"""No secret and no token is in anything that a run leaves behind, however it goes.

Every credential is a canary. Everything runs at DEBUG: good runs, refused documents, wrong secrets,
throttling, resets, expired tokens, SIGKILL in the middle, the webhook, and the operator's commands.
Then every file that came of it is searched, and what every process was started with.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest
from sandbox.basware import tokens as basware_tokens
from sandbox.d365fo import tokens as entra_tokens
from sandbox.demo import LEDGER_KEEPERS
from sandbox.faults import Fault
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document
from sandbox.server import Sandbox

from tests.pipelines.conftest import Meltano
from tests.pipelines.holdings import Holdings
from tests.pipelines.shell import MAPPING
from tests.webhook.receiving import encoded, payload, served, signed

CANARIES = {
    "basware": "CANARY-basware-+/ö&=%-8d1f",
    "dynamics": "CANARY-dynamics-+/ö&=%-77aa",
    "webhook": "CANARY-webhook-+/ö&=%-31c9",
    "wrong": "CANARY-wrong-+/ö&=%-5e02",
    "ledger": "CANARY-ledger-9b4c",
}
#: The vault, which is encrypted, and what opens it.
KEPT_SECRETS = ("secrets.vault", "vault.key", "webhook.pem")


def forms(secret: str) -> set[bytes]:
    """A secret as it travels: in URLs, forms, JSON and Basic headers."""
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    texts |= {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    encoded_forms = set()
    for at in range(3):  # base64 of something that holds it, at each offset
        raw = base64.b64encode(b"x" * at + secret.encode()).decode()
        encoded_forms.add(raw[4:-4])
    return {text.encode() for text in texts | encoded_forms}


@dataclass
class Watch:
    """Looks at the command lines of all processes, again and again."""

    needles: set[bytes]
    hits: set[str] = field(default_factory=set)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = threading.Thread(target=self._look)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.02):
            for process in psutil.process_iter():
                with suppress(psutil.Error):
                    line = "\0".join(process.cmdline()).encode()
                    if any(needle in line for needle in self.needles):
                        self.hits.add(process.name())


@dataclass
class Field:
    """A folder in which everything runs, and what was said there."""

    sandbox: Sandbox
    folder: Path
    runs: int = 0

    @property
    def environment(self) -> dict[str, str]:
        given = {
            **os.environ,
            **self.sandbox.environment(),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SINGER_SECRETS_VAULT": str(self.folder / "secrets.vault"),
            "SINGER_SECRETS_KEY_FILE": str(self.folder / "vault.key"),
            "TARGET_D365FO_MAPPING_FILE": MAPPING,
            "TARGET_BASWARE_MAPPING_FILE": MAPPING,
            "TAP_D365FO_METADATA_CACHE": str(self.folder / "cache"),
            "SINGER_DELIVERY_LEDGER_URL": f"sqlite:///{self.folder}/ledger.db",
            "BASWARE_WEBHOOK_SECRET": "vault:webhook",
            "BASWARE_WEBHOOK_INBOX_URL": f"sqlite:///{self.folder}/inbox.db",
            "LOGLEVEL": "DEBUG",
        }
        for plugin in LEDGER_KEEPERS:
            given[f"{plugin}_LEDGER_URL"] = f"sqlite:///{self.folder}/ledger.db"
        for plugin in ("TAP", "TARGET"):
            given[f"{plugin}_BASWARE_CLIENT_SECRET"] = "vault:basware"
            given[f"{plugin}_D365FO_CLIENT_SECRET"] = "vault:dynamics"
        return given

    def run(self, command: str, *, given: str = "", **extra: str) -> int:
        """Run a command line, keep what it said, and return its exit code."""
        self.runs += 1
        with (self.folder / f"said-{self.runs}").open("wb") as said:
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self.folder,
                env={**self.environment, **extra},
                input=given.encode(),
                stdout=said,
                stderr=said,
                timeout=300,
                check=False,
            )
        return done.returncode

    def said(self, number: int = 0) -> str:
        """What the last run, or one by number, said."""
        return (self.folder / f"said-{number or self.runs}").read_text(errors="replace")

    def killed(self, command: str, when: Callable[[], bool]) -> None:
        """Run a command line and kill all of it, at a moment."""
        self.runs += 1
        with (self.folder / f"said-{self.runs}").open("wb") as said:
            process = subprocess.Popen(
                ["bash", "-o", "pipefail", "-c", command],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
            while process.poll() is None and not when():
                time.sleep(0.005)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def canary_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    monkeypatch.setattr(basware_tokens, "CLIENT_SECRET", CANARIES["basware"])
    monkeypatch.setattr(entra_tokens, "CLIENT_SECRET", CANARIES["dynamics"])
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def issued(monkeypatch: pytest.MonkeyPatch) -> set[bytes]:
    """Every access token that the two systems issue, whole and its claims alone."""
    tokens: set[bytes] = set()

    def remember(owner: type, name: str) -> None:
        issue = getattr(owner, name)

        def remembering(*args: Any, **kwargs: Any) -> str:
            token: str = issue(*args, **kwargs)
            tokens.update({token.encode(), token.split(".")[1].encode()})
            return token

        monkeypatch.setattr(owner, name, remembering)

    remember(basware_tokens.TokenAuthority, "_sign")
    remember(entra_tokens.Directory, "issue")
    return tokens


def found(folder: Path, needles: set[bytes]) -> list[str]:
    """The files below a folder that hold one of these, but for what keeps secrets."""
    return [
        f"{path.relative_to(folder)}: {needle.decode()[:12]}…"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in KEPT_SECRETS and not path.is_symlink()
        for content in [path.read_bytes()]
        for needle in needles
        if needle in content
    ]


def test_nothing_leaks(
    canary_sandbox: Sandbox,
    issued: set[bytes],
    tmp_path: Path,
    new_meltano: Callable[[Sandbox], Meltano],
) -> None:
    sandbox = canary_sandbox
    here = Field(sandbox, tmp_path)
    needles = set().union(*(forms(secret) for secret in CANARIES.values()))
    watch = Watch(needles)
    with watch.watching():
        keep_secrets(here)
        deliver(here)
        fail(here)
        operate(here)
        notify(here)
        meltano = new_meltano(sandbox)
        run_meltano(here, meltano)
    assert len(issued) > 20
    assert watch.hits == set()
    assert found(tmp_path, needles | issued) == []
    assert found(meltano.directory, needles | issued) == []
    # The search would find one.
    (tmp_path / "leak").write_bytes(b"\0" + next(iter(issued)) + b"\0")
    assert len(found(tmp_path, needles | issued)) >= 1


def keep_secrets(here: Field) -> None:
    folder = here.folder
    assert here.run(f"singer-secrets init --key-file {folder}/vault.key") == 0, here.said()
    for name in ("basware", "dynamics", "webhook", "wrong"):
        assert here.run(f"singer-secrets set {name}", given=CANARIES[name]) == 0, here.said()
    assert here.run("singer-secrets list && singer-secrets test && singer-secrets keys") == 0
    assert here.run("singer-secrets rotate wrong", given=CANARIES["wrong"]) == 0


POST = "tap-basware --config=ENV | target-d365fo --config=ENV"
TELL = "tap-d365fo --config=ENV | target-basware --config=ENV"


def deliver(here: Field) -> None:
    """Good and refused documents, throttled, reset, with tokens that end, and killed."""
    sandbox = here.sandbox
    world = small_world()
    invoices = [accounting_document(number=f"CANARY-{number}") for number in range(8)]
    invoices.append(accounting_document(number="BAD", supplier="US-9999"))
    world.add(basware={"accountingDocuments": invoices})
    sandbox.load(world)
    for system in ("basware", "d365fo"):
        sandbox.faults.add(Fault(system, "status", status=401, skip=1))
        sandbox.faults.add(
            Fault(system, "status", status=429, headers={"Retry-After": "1"}, skip=2)
        )
        sandbox.faults.add(Fault(system, "status", status=500, skip=3, body="<html>no</html>"))
    sandbox.faults.add(Fault("d365fo", "reset_after", method="POST", skip=1))
    before = len(sandbox.journal.requests("d365fo", "POST"))
    here.killed(POST, lambda: len(sandbox.journal.requests("d365fo", "POST")) > before + 1)
    here.run(POST)
    sandbox.faults.clear()
    assert here.run(POST) == 0, here.said()
    assert here.run(TELL) == 0, here.said()
    for invoice in invoices[:8]:
        Holdings.of(sandbox).confirmed(invoice)


def fail(here: Field) -> None:
    """Whatever an error repeats, it is not the secret."""
    wrong = {"TAP_BASWARE_CLIENT_SECRET": "vault:wrong", "TAP_D365FO_CLIENT_SECRET": "vault:wrong"}
    plain = {
        "TAP_BASWARE_CLIENT_SECRET": CANARIES["wrong"],
        "TAP_D365FO_CLIENT_SECRET": CANARIES["wrong"],
        "TARGET_D365FO_CLIENT_SECRET": CANARIES["wrong"],
    }
    ledger = f"postgresql://user:{CANARIES['ledger']}@127.0.0.1:1/none"
    for plugin in ("tap-basware", "tap-d365fo"):
        for extra in (wrong, plain):
            assert here.run(f"{plugin} --config=ENV --test", **extra) == 1
            assert "secret" in here.said()
        here.run(f"{plugin} --config=ENV --discover && {plugin} --about --format=json")
    assert here.run(POST, **plain) == 1
    assert here.run(POST, TARGET_D365FO_LEDGER_URL=ledger) == 1
    # A value that is none of its type, next to a secret: the validator repeats what it refuses.
    assert here.run("tap-basware --config=ENV --test", TAP_BASWARE_REGION="EU", **plain) == 1
    assert here.run(POST, TARGET_D365FO_ON_REJECT="nonsense", **plain) == 1


def operate(here: Field) -> None:
    """What the operator's commands print and write."""
    assert here.run("singer-delivery list && singer-delivery verify") == 0, here.said()
    assert here.run("singer-delivery export --format jsonl > export.jsonl") == 0, here.said()
    here.run("singer-delivery runs && singer-delivery claims && singer-delivery replay --rejected")


def notify(here: Field) -> None:
    """The webhook: good, forged and stale notifications, and the commands around it."""
    sandbox = here.sandbox
    with served(sandbox, here.folder, secret=f"plain:{CANARIES['webhook']}") as server:
        address = {
            "BASWARE_WEBHOOK_URL": server.url,
            "BASWARE_WEBHOOK_CA_FILE": str(sandbox.ca_file),
        }
        assert here.run("basware-webhook subscribe", **address) == 0, here.said()
        assert here.run("basware-webhook list && basware-webhook check", **address) == 0
        body = encoded(payload())
        assert server.post(body, signed(body, CANARIES["webhook"])).status_code == 200
        assert server.post(body, signed(body, "forged")).status_code == 401
        wrong = {"BASWARE_WEBHOOK_SECRET": "vault:wrong"}
        assert here.run("basware-webhook check", **address, **wrong) == 1
        assert here.run("basware-webhook unsubscribe", **address) == 0
    here.killed(
        f"basware-webhook serve --port 0 --run '{sys.executable} -c 1'",
        lambda: "ended with exit code" in here.said(),
    )


def run_meltano(here: Field, meltano: Meltano) -> None:
    """The same by Meltano, which logs on its own, at its own DEBUG."""
    here.sandbox.basware.load({"accountingDocuments": [accounting_document(number="BY-MELTANO")]})
    keys = ("SINGER_SECRETS_VAULT", "SINGER_SECRETS_KEY_FILE", "LOGLEVEL")
    meltano.environment.update({name: here.environment[name] for name in keys})
    for plugin in ("TAP", "TARGET"):
        meltano.environment[f"{plugin}_BASWARE_CLIENT_SECRET"] = "vault:basware"
        meltano.environment[f"{plugin}_D365FO_CLIENT_SECRET"] = "vault:dynamics"
    log = meltano.directory / "log"
    log.write_text(meltano.run("--log-level=debug", "run", "tap-basware", "target-d365fo"))
    wrong = {"TARGET_D365FO_CLIENT_SECRET": "vault:wrong"}
    run = ("--log-level=debug", "run", "--force", "tap-basware", "target-d365fo")
    (meltano.directory / "failed").write_text(meltano.run(*run, expect=1, **wrong))
