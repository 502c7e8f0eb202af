"""The quick check and the thorough one agree on every entity."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from target_basware.masters import check
from target_basware.masters.facts import ENTITIES, Rule, table
from target_basware.masters.glance import keeps_rules

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**33), 2**33),
    st.decimals(),
    st.text(max_size=3),
    st.text("a", min_size=250, max_size=2100),
    st.sampled_from(["2026-01-31", "2026-02-30", "2026-01-31T25:00:00Z", "a@b.example", "A@b"]),
    st.sampled_from([[], {}, [None], [{}], ["x"], {"x": 1}]),
)


def values_of(rule: Rule, depth: int) -> st.SearchStrategy[Any]:
    """Values that mostly keep the rule."""
    single: st.SearchStrategy[Any]
    match rule.kind:
        case "string" if rule.values:
            single = st.sampled_from(rule.values)
        case "string" if rule.email:
            single = st.just("ap@vendor.example")
        case "string":
            shortest, longest = rule.length or (0, 5)
            single = st.text("aÅ", min_size=shortest, max_size=min(longest, shortest + 4))
        case "boolean":
            single = st.booleans()
        case "date-time":
            single = st.sampled_from(["2026-01-31", "2026-01-31T12:00:00.1234567Z"])
        case "number" | "int32":
            low, high = rule.between or (Decimal(-5), Decimal(5))
            values = [int(value) for value in rule.values]
            whole = st.sampled_from(values) if values else st.integers(int(low), int(high))
            single = whole if rule.kind == "int32" else whole | whole.map(Decimal)
        case _:
            single = entities(rule.kind, depth - 1) if depth else st.just({})
    single = st.one_of(single, single, single, single, single, single, single, ODD)
    return st.lists(single, max_size=2) if rule.many else single


def entities(name: str, depth: int = 3) -> st.SearchStrategy[dict[str, Any]]:
    rules = table()[name]
    required = {field: values_of(rule, depth) for field, rule in rules.items() if rule.required}
    others = {field: values_of(rule, depth) for field, rule in rules.items() if not rule.required}
    few = (
        st.lists(st.sampled_from(sorted(others)), max_size=4, unique=True)
        if others
        else st.just([])
    )
    return st.tuples(
        st.fixed_dictionaries(required),
        few.flatmap(lambda names: st.fixed_dictionaries({field: others[field] for field in names})),
        st.sampled_from([{}, {}, {}, {}, {}, {"unknown": 1}, {"unknown": None}]),
    ).map(lambda parts: {**parts[0], **parts[1], **parts[2]})


@pytest.mark.parametrize("name", sorted(set(ENTITIES.values())))
@given(data=st.data())
def test_both_say_the_same(name: str, data: st.DataObject) -> None:
    content = data.draw(entities(name))
    problems = list(check._entity(name, content, ""))
    event("wrong" if problems else "right")
    assert keeps_rules(name, content) == (not problems)


@pytest.mark.parametrize("content", [None, [], "x", (("a", 1),)])
def test_what_is_no_object_keeps_no_rules(content: Any) -> None:
    assert not keeps_rules("VendorEntity", content)
