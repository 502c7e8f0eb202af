"""The SDK's own test suite for targets: its streams into an entity set, against the sandbox.

Left out are the tests that ask for the SDK's exceptions where ours say more (a record before its
schema, a record without its key); both are tested with the delivery library.
"""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.testing import get_target_test_class
from singer_sdk.testing.runners import TargetTestRunner
from singer_sdk.testing.suites import SingerTestSuite, target_tests
from singer_sdk.testing.target_tests import (
    TargetRecordBeforeSchemaTest,
    TargetRecordMissingKeyProperty,
)
from target_d365fo.target import TargetD365FO

from tests.target_d365fo.conftest import Dynamics

OTHERWISE = {TargetRecordBeforeSchemaTest, TargetRecordMissingKeyProperty}
SUITE = SingerTestSuite(
    kind="target", tests=[test for test in target_tests.tests if test not in OTHERWISE]
)
#: Streams whose key has another name than `id`.
KEYS = {"TestCamelcase": "Id", "test:SpecialChars!in?attributes": "_id"}
STREAMS = [
    "test_array_data",
    "TestCamelcase",
    "ForecastingTypeToCategory",
    "test_duplicate_records",
    "test_strings",
    "test_strings_in_objects",
    "test_strings_in_arrays",
    "test_invalid_schema",
    "test_multiple_state_messages_a",
    "test_multiple_state_messages_b",
    "test_no_pk",
    "test_optional_attributes",
    "example_stream",
    "record_missing_fields",
    "test_record_missing_required_property",
    "test_object_schema_with_properties",
    "test_object_schema_no_properties",
    "test_schema_updates",
    "test:SpecialChars!in?attributes",
    "test_users",
    "test_locations",
    "test_user_in_location",
]


def setting(stream: str) -> dict[str, Any]:
    return {
        "entity_set": "VendorGroups",
        "fields": {KEYS.get(stream, "id"): "VendorGroupId"},
        "constants": {"dataAreaId": "usmf"},
    }


class TestStandardSuite(
    get_target_test_class(  # type: ignore[misc]
        TargetD365FO,
        config={"base_url": "https://x", "tenant_id": "t", "client_id": "c", "client_secret": "s"},
        custom_suites=[SUITE],
        include_target_tests=False,
    )
):
    @pytest.fixture
    def runner(self, dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch) -> TargetTestRunner:
        monkeypatch.setenv("XDG_CACHE_HOME", str(dynamics.directory))
        entity_sets = {stream: setting(stream) for stream in STREAMS}
        runner = TargetTestRunner(TargetD365FO, config=dynamics.config(entity_sets=entity_sets))
        new_target = runner.new_target

        def followed() -> Any:
            target: Any = new_target()
            dynamics.targets.append(target)
            return target

        monkeypatch.setattr(runner, "new_target", followed)
        return runner
