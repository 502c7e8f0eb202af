"""The SDK's own test suite for taps, against the sandbox, with every stream selected."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.seed.demo import demo_world
from sandbox.server import Sandbox
from singer_sdk.testing import SuiteConfig, TapTestRunner, get_tap_test_class
from tap_basware.tap import TapBasware

#: Nothing was imported in this world, so there is nothing to report about imports.
SUITE = SuiteConfig(ignore_no_records_for_streams=["request_status", "error_feedbacks"])


def everything() -> dict[str, Any]:
    tap = TapBasware(config={}, validate_config=False)
    for stream in tap.streams.values():
        stream.selected = True
    return tap.catalog_dict


@pytest.mark.filterwarnings("ignore:No records were available to test")
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
class TestStandardSuite(get_tap_test_class(TapBasware, suite_config=SUITE, catalog=everything())):  # type: ignore[misc]
    @pytest.fixture(scope="class")
    @classmethod
    def runner(cls, sandbox_server: Sandbox) -> TapTestRunner:
        sandbox_server.reset()
        sandbox_server.basware.load(
            demo_world(invoices=40, vendors=24, basware_masters=True).basware
        )
        config = {
            "base_url": sandbox_server.basware_url,
            "client_id": "basware-client",
            "client_secret": "basware-secret",
            "ca_file": str(sandbox_server.ca_file),
            "list_keys": ["ACC_LIST_1"],
        }
        runner = TapTestRunner(TapBasware, config=config, suite_config=SUITE, catalog=everything())
        runner.sync_all()
        return runner
