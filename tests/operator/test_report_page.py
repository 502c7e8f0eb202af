"""The report's page in a real browser: quiet, accessible, searchable, printable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from singer_delivery.document import Document, Outcome, Status

from tests.operator.office import PORTAL, REJECTED, Office, invoice


@dataclass
class Opened:
    """The page, what its console said, and what it asked the network for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def opened(page: Page, office: Office, tmp_path: Path) -> Opened:
    """The report of a ledger with something of everything, opened from its file."""
    hostile = "<img src=https://evil.example/x onerror=alert(1)>"
    office.deliver([invoice(f"{n:03}") for n in range(70)])
    bad = invoice("bad", hostile)
    office.deliver([replace(bad, detail={**bad.detail, "vendor": hostile})], REJECTED)
    office.deliver([invoice("lost", "INV-LOST")], Outcome(Status.STUCK, "no answer"))
    vendors = [Document(f"v{n}", None, "f", label=f"vendor v{n}") for n in range(3)]
    office.deliver(vendors[1:], stream="vendors", system=PORTAL)
    refused = Outcome(Status.REJECTED, f"{hostile}; enter one in Dynamics")
    office.deliver(vendors[:1], refused, stream="vendors", system=PORTAL, intended=False)
    file = tmp_path / "report.html"
    office.run("report", "--ledger-only", "--output", str(file), code=1)
    found = Opened(page)
    page.on("console", lambda message: found.said.append(message.text))
    page.on("pageerror", lambda error: found.said.append(str(error)))
    page.on("request", lambda request: found.asked.append(request.url))
    page.goto(file.as_uri())
    return found


def test_it_is_quiet_accessible_and_prints(opened: Opened) -> None:
    page = opened.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.pdf(format="A4").startswith(b"%PDF")

    assert opened.said == []
    assert [url for url in opened.asked if not url.startswith(("file:", "data:"))] == []


def test_the_policy_lets_nothing_else_run(opened: Opened) -> None:
    page = opened.page
    with page.expect_event("requestfailed") as stopped:
        page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', "
            "'<img id=foreign src=https://evil.example/x onerror=\"window.ran = 1\">')"
        )
    assert stopped.value.failure == "csp"
    expect(page.locator("#foreign")).to_have_count(1)
    assert page.evaluate("window.ran") is None
    page.evaluate("fetch('https://evil.example/y').catch(() => 0)")
    assert any("https://evil.example/y" in line and "default-src" in line for line in opened.said)
    assert any("Content Security Policy" in line for line in opened.said)


def test_an_invoice_is_found_and_tells_its_story(opened: Opened) -> None:
    page = opened.page
    documents = page.locator(".doc:visible")
    expect(documents).to_have_count(50)
    expect(page.get_by_role("status")).to_have_text("50 of 72 invoices shown")
    page.get_by_role("button", name="Show more").click()
    expect(documents).to_have_count(72)

    page.get_by_label("Number, vendor").fill("inv-LOST us-9999")
    expect(documents).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("1 of 1 found shown")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(documents.locator(".story")).to_contain_text("waits for an operator")
    expect(documents).to_contain_text("100.10 EUR")

    page.get_by_label("Number, vendor").fill("nothing like it")
    expect(documents).to_have_count(0)
    expect(page.get_by_role("status")).to_contain_text("No invoice")


def test_it_can_be_read_without_scripts(opened: Opened) -> None:
    context = opened.page.context.browser
    assert context is not None
    plain = context.new_context(java_script_enabled=False).new_page()
    plain.goto(opened.page.url)
    expect(plain.locator(".doc:visible")).to_have_count(72)
    expect(plain.locator("#find")).to_be_hidden()
    plain.context.close()
