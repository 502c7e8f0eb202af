"""What waits on disk comes back as it was, in order, and leaves nothing behind."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.bulk.spool import PAGE, Spool
from singer_delivery.document import Document
from singer_delivery.errors import DeliveryError

from tests.singer_delivery.fake_bulk import document


@pytest.fixture
def spool() -> Iterator[Spool]:
    opened = Spool()
    yield opened
    opened.close()


def waiting(spool: Spool, stream: str = "accounts") -> list[Document]:
    return [one for page in spool.pages(stream) for one in page]


def test_documents_come_back_whole_in_the_order_of_their_first_coming(spool: Spool) -> None:
    rich = document("b", payload={"amount": Decimal("1.10"), "names": [{"é": None}]}, label="B")
    spool.add("accounts", [document("c"), rich, document("a")])
    spool.add("vendors", [document("v")])
    spool.add("accounts", [document("c", content=2)])
    assert waiting(spool) == [document("c", content=2), rich, document("a")]
    assert [spool.count("accounts"), spool.count("vendors"), spool.count("x")] == [3, 1, 0]


def test_a_stream_is_read_a_page_at_a_time(spool: Spool) -> None:
    spool.add("accounts", (document(f"{n}") for n in range(PAGE + 1)))
    spool.add("vendors", [document("v")])
    assert [len(page) for page in spool.pages("accounts")] == [PAGE, 1]


def test_what_need_not_be_sent_is_dropped_and_stays_seen(spool: Spool) -> None:
    spool.see("accounts", ["a", "b"])
    spool.add("accounts", [document("a"), document("b")])
    spool.drop("accounts", ["a", "never there"])
    assert [one.key for one in waiting(spool)] == ["b"]
    assert spool.unseen("accounts", ["a", "b", "ü"]) == {"ü"}
    assert spool.unseen("vendors", ["a"]) == {"a"}


def test_requests_shrink_until_they_are_gone(spool: Spool) -> None:
    number = spool.keep_request("accounts", "r-1", ["a", "b"])
    assert spool.request_keys(number) == ["a", "b"]
    spool.shrink_request(number, ["b"])
    assert spool.request_keys(number) == ["b"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file keeps its name")
def test_the_file_is_private_and_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = tempfile.mkstemp

    def watched(**options: Any) -> tuple[int, str]:
        descriptor, name = real(**options)
        made.append(stat.S_IMODE(Path(name).stat().st_mode))
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", watched)
    spool = Spool(str(tmp_path))
    assert made == [0o600]
    spool.add("accounts", (document(f"{n}", content="x" * 1000) for n in range(5000)))
    assert list(tmp_path.iterdir()) == []
    assert len(waiting(spool)) == 5000
    spool.close()
    spool.close()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere an open file keeps its name")
def test_a_killed_process_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import os, sys; from singer_delivery.bulk.spool import Spool; "
        "from singer_delivery.document import Document; "
        "spool = Spool(sys.argv[1]); "
        "spool.add('a', [Document(str(n), 'x' * 9999, '') for n in range(3000)]); "
        "os.kill(os.getpid(), 9)"
    )
    process = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert process.returncode == -9
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"TMPDIR"):
        Spool(str(tmp_path / "missing"))


def test_a_full_disk_is_told_in_words(spool: Spool) -> None:
    spool._connection.execute("PRAGMA max_page_count = 40")
    large = [document(f"{n}", content="x" * 10_000) for n in range(100)]
    with pytest.raises(DeliveryError, match=r"database or disk is full; give the folder") as caught:
        spool.add("accounts", large)
    assert caught.value.__cause__ is None
