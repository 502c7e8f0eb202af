"""Financial dimensions and coding fields: by the values that both have, else by the name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ap_mapping.drafting.entry import Entry, gap, scalar, shown
from ap_mapping.drafting.scene import Scene, normalised
from ap_mapping.usage import CODING_FIELDS, dimension_fields

SECTION = "dimensions"
#: Coding field -> import API that has its values; any other field may have any list.
IMPORTS = {"costCenterCode": "costCenters", "projectCode": "projects"}
#: Of the values on invoices, so many have to be values of the dimension: some are mistyped.
MOST = 0.8
FEWEST_VALUES = 2


def dimension_entries(scene: Scene) -> Iterator[Entry]:
    """Yield proposals and gaps for each dimension that the active formats know."""
    fields = dimension_fields(scene.basware)
    for name in scene.dynamics.dimensions:
        field, why = _field(scene, name, fields)
        path = (SECTION, name)
        if not field:
            words = (
                f"{why} Which coding field carries it? In use are "
                f"{shown(fields) or 'none that could be seen'}. Write {{coding_field: ..., import: "
                "...}; or take the line out: then invoices bring no value of it"
            )
            yield gap(path, words)
            continue
        yield Entry((*path, "coding_field"), field, why)
        yield _import(scene, (*path, "import"), field, fields.get(field, []))


def _field(scene: Scene, dimension: str, fields: Mapping[str, list[str]]) -> tuple[str, str]:
    """The coding field and what that rests on; "" and why there is none."""
    wanted = normalised(dimension)
    known = [
        name for name in (*fields, *CODING_FIELDS) if normalised(name) in {wanted, f"{wanted}code"}
    ]
    named = known[0] if known else ""
    fitting = [name for name, values in fields.items() if _fits(scene, dimension, values)]
    if named in fitting:
        return named, f"the same name; {_seen(scene, dimension, fields[named])}"
    if len(fitting) == 1 and not _others(scene, dimension, fields[fitting[0]]):
        return fitting[0], _seen(scene, dimension, fields[fitting[0]])
    if fitting:
        return "", f"The values of {shown(fitting)} fit, but not them alone."
    if named and not fields.get(named):
        return named, "the same name; no invoice that was read has a value"
    if named:
        return "", f"{named} has its name, but {_seen(scene, dimension, fields[named])}."
    return "", "No coding field has its name or its values."


def _fits(scene: Scene, dimension: str, values: list[str]) -> bool:
    known = _known(scene, dimension, values)
    return len(values) >= FEWEST_VALUES and known >= MOST * len(values)


def _known(scene: Scene, dimension: str, values: list[str]) -> int:
    return sum(dimension in scene.dynamics.dimension_values.get(value, ()) for value in values)


def _others(scene: Scene, dimension: str, values: list[str]) -> list[str]:
    """The other dimensions that have as many of the values."""
    count = _known(scene, dimension, values)
    names = (name for name in scene.dynamics.dimensions if name != dimension)
    return [name for name in names if _known(scene, name, values) >= count]


def _seen(scene: Scene, dimension: str, values: list[str]) -> str:
    return (
        f"{_known(scene, dimension, values)} of {len(values)} values on invoices are values of it"
    )


def _import(scene: Scene, path: tuple[str, ...], field: str, values: list[str]) -> Entry:
    """The import API that gets the values: the one made for the field, else the list that fits."""
    if field in IMPORTS:
        return Entry(path, IMPORTS[field], "the API made for this field")
    fitting = [
        api
        for api, codes in scene.basware.values.items()
        if len(values) >= FEWEST_VALUES
        and sum(value in codes for value in values) >= MOST * len(values)
    ]
    if len(fitting) == 1:
        return Entry(path, fitting[0], "it has the values that invoices use")
    words = (
        "which list of Basware gets the values? P2P is configured with its key: write lists/KEY, "
        "such as lists/ACC_LIST_1, or null where Basware has the values from elsewhere"
    )
    return gap(path, words)


def order_line_entries(scene: Scene) -> Iterator[Entry]:
    """Yield how order lines bring their coding, by the active default dimension format."""
    segments = scene.dynamics.order_line_dimensions
    if segments:
        value = f"[{', '.join(map(scalar, segments))}]"
        why = "the active default dimension format"
        yield Entry(("masters", "order_line_dimensions"), value, why)
    if segments and scene.dynamics.delimiter != "-":
        value = f'"{scene.dynamics.delimiter}"'
        yield Entry(("masters", "dimension_delimiter"), value, "as in Dynamics")
