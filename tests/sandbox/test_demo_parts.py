"""The parts of the demo without Meltano: its mappings, its processes, its people in Dynamics."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from ap_mapping import load_mapping
from sandbox.demo import reconcile_desks
from sandbox.demo_payments import pay_most, post_pending
from sandbox.demo_process import Command, DemoFailed, borrow_environments, run_all
from sandbox.demo_tenants import Desk, cut_mapping
from sandbox.reconciliation_payments import paid_by_dynamics
from sandbox.seed import World, demo_world, split_by_tenant
from sandbox.seed.companies import DEMF, JPMF, USMF, Company
from sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
MAPPING = ROOT / "mapping.yml"


class TestMapping:
    @pytest.mark.parametrize("few", [(USMF, JPMF), (DEMF,), (USMF,)])
    def test_a_tenant_has_its_companies_and_all_that_is_common(
        self, few: tuple[Company, ...], tmp_path: Path
    ) -> None:
        codes, entities = [c.code for c in few], [c.legal_entity for c in few]
        file = tmp_path / "mapping.yml"
        file.write_text(cut_mapping(MAPPING.read_text(), codes, entities))
        whole, part = load_mapping(MAPPING), load_mapping(file)
        assert part.legal_entities == tuple(entities)
        for entity in entities:
            assert part.for_legal_entity(entity) == whole.for_legal_entity(entity)

    def test_comments_between_the_sections_stay(self) -> None:
        text = "# first\na: 1\ncompanies:\n  1: {x: y}\n  2:\n    x: y\n\n# next\nb: 2\n"
        assert cut_mapping(text, ["1"], []) == text.replace("  2:\n    x: y\n", "")

    def test_another_file_is_refused(self) -> None:
        with pytest.raises(ValueError, match="no mapping"):
            cut_mapping("- 1\n", [], [])


class TestProcesses:
    @pytest.fixture
    def command(self, tmp_path: Path) -> Callable[..., Command]:
        """A command of something that is called meltano and does what it is told."""
        program = tmp_path / "meltano"
        program.write_text('#!/bin/sh\necho "$@"\neval "$TODO"\n')
        program.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"

        def make(name: str, todo: str) -> Command:
            environment = {**os.environ, "PATH": path, "TODO": todo}
            return Command(("run", name), tmp_path, environment, tmp_path / f"{name}.log")

        return make

    def test_they_run_at_the_same_time(
        self, command: Callable[..., Command], tmp_path: Path
    ) -> None:
        glances: list[int] = []
        start = time.monotonic()
        run_all([command("a", "sleep 0.7"), command("b", "sleep 0.7")], lambda: glances.append(1))
        assert 0.7 <= time.monotonic() - start < 1.3
        assert len(glances) > 2
        assert (tmp_path / "b.log").read_text() == "run b\n"

    def test_a_failure_stops_the_others_and_shows_the_log(
        self, command: Callable[..., Command], tmp_path: Path
    ) -> None:
        start = time.monotonic()
        with pytest.raises(
            DemoFailed, match=r"(?s)it is broken.*`meltano run bad` failed"
        ) as error:
            run_all([command("slow", "exec sleep 30"), command("bad", "echo it is broken; exit 3")])
        assert str(tmp_path / "bad.log") in str(error.value)
        assert time.monotonic() - start < 10

    def test_plugins_are_borrowed_and_nothing_else(self, tmp_path: Path) -> None:
        system = tmp_path / "system"
        for name in ("tap-a/venv", "tap-a/cache"):
            (system / "extractors" / name).mkdir(parents=True)
        borrow_environments(system, tmp_path / "own")
        own = tmp_path / "own" / "extractors" / "tap-a"
        assert [entry.name for entry in own.iterdir()] == ["venv"]
        assert (own / "venv").resolve() == system / "extractors" / "tap-a" / "venv"


class TestDesk:
    @pytest.fixture
    def world(self) -> World:
        return demo_world(invoices=40, vendors=40)

    @pytest.fixture
    def desk(self, sandbox: Sandbox, world: World, tmp_path: Path) -> Desk:
        [_, europe] = split_by_tenant(world)
        desk = Desk(europe, sandbox, sandbox, tmp_path / "europe")
        desk.prepare(MAPPING, tmp_path)
        return desk

    def test_settings_are_the_tenants_own(self, desk: Desk, sandbox: Sandbox) -> None:
        settings = desk.settings()
        assert settings["TARGET_BASWARE_BASE_URL"] == sandbox.basware_url
        assert settings["TAP_D365FO_BASE_URL"] == sandbox.d365fo_url
        assert settings["TAP_D365FO_MASTERS_COMPANIES"] == '["demf", "gbsi"]'
        mine = str(desk.folder)
        for name in ("TAP_D365FO_PAYMENTS_LEDGER_URL", "TARGET_D365FO_MAPPING_FILE"):
            assert mine in settings[name]
        assert load_mapping(desk.folder / "mapping.yml").legal_entities == ("demf", "gbsi")

    def test_the_first_tenants_basware_and_dynamics_do_not_mix(
        self, desk: Desk, sandbox: Sandbox
    ) -> None:
        with Sandbox() as other:
            settings = Desk(desk.tenant, other, sandbox, desk.folder).settings()
            assert settings["TAP_BASWARE_BASE_URL"] == other.basware_url
            assert settings["TAP_BASWARE_CA_FILE"] == str(other.ca_file.resolve())
            assert settings["TARGET_D365FO_BASE_URL"] == sandbox.d365fo_url
            assert settings["TARGET_D365FO_CA_FILE"] == str(sandbox.ca_file.resolve())

    def test_documents_arrive_in_a_basware_without_them(self, desk: Desk, sandbox: Sandbox) -> None:
        assert desk.documents() == {}
        desk.open_mail()
        assert set(desk.documents()) == set(desk.tenant.expected)
        assert desk.masters_in_words() == ""

    def test_invoices_without_masters_do_not_reconcile(self, desk: Desk) -> None:
        desk.open_mail()
        problems = reconcile_desks([desk]).problems
        assert any("is not active in Basware's P2P" in problem for problem in problems)


class TestPeopleInDynamics:
    @pytest.fixture
    def dynamics(self, sandbox: Sandbox) -> Sandbox:
        """Dynamics with thirty pending invoices, each of a vendor of its own, two on hold."""
        world = demo_world(invoices=40, vendors=160)
        vendors = [v for v in world.d365fo["VendorsV3"] if v["dataAreaId"] == "usmf"][:30]
        for number, vendor in enumerate(vendors, 1):
            key = {"dataAreaId": "usmf", "HeaderReference": f"BW{number}"}
            header = {
                "InvoiceAccount": vendor["VendorAccountNumber"],
                "InvoiceNumber": f"I-{number}",
                "InvoiceDate": "2026-03-01",
                "Date": "2026-03-10",
                "Currency": "USD",
                "IsOnHold": "Yes" if number > 28 else "No",
            }
            amount = Decimal("-50.01") if number == 7 else Decimal(f"{number}.01")
            line = {"InvoiceLineNumber": 1, "NetAmount": amount}
            world.add(
                d365fo={
                    "VendorInvoiceHeaders": [key | header],
                    "VendorInvoiceLines": [key | line],
                }
            )
        sandbox.load(world)
        return sandbox

    def test_all_is_posted_but_what_is_on_hold(self, dynamics: Sandbox) -> None:
        assert str(post_pending(dynamics.d365fo)) == "28 posted, 2 on hold"
        assert len(dynamics.d365fo.rows("VendorInvoiceHeaders")) == 2

    def test_every_way_of_paying_occurs_and_adds_up(self, dynamics: Sandbox) -> None:
        state = dynamics.d365fo
        post_pending(state)
        done = pay_most(state)
        assert sum(done.counts.values()) == 28
        assert set(done.counts) == {
            "whole",
            "in part",
            "with cash discount",
            "in two payments",
            "paid and reversed",
            "by prepayment",
            "by cheque, voided, and paid again",
            "left open",
        }
        paid = paid_by_dynamics(
            state.rows("VendTransBiEntities"), state.rows("VendSettlementBiEntities")
        )
        due = {
            ("usmf", row["Voucher"]): -row["AmountCur"]
            for row in state.rows("VendTransBiEntities")
            if row["TransType"] == "Purch"
        }
        assert len(due) - len(paid) == done.counts["left open"]
        shares = [paid[key].total / due[key] for key in paid]
        assert shares.count(Decimal(0)) == done.counts["paid and reversed"]
        whole = ("whole", "in two payments", "by prepayment", "by cheque, voided, and paid again")
        assert shares.count(Decimal(1)) == sum(done.counts[way] for way in whole)
        assert all(0 <= share <= 1 for share in shares)
