"""Master data and purchase orders of F&O as entities of Basware's import APIs.

Pure functions: no I/O, no ledger. `MAPPERS` turns a record of tap-d365fo into entities by
mapping.yml, `check_entity` says what Basware would not like about one, whoever made it.
"""

from __future__ import annotations

from target_basware.masters.check import check_entity
from target_basware.masters.entity import Entity, Mapper, Record
from target_basware.masters.external_code import external_code
from target_basware.masters.labels import label
from target_basware.masters.mappers import FIELDS, KEYS, MAPPERS

__all__ = [
    "FIELDS",
    "KEYS",
    "MAPPERS",
    "Entity",
    "Mapper",
    "Record",
    "check_entity",
    "external_code",
    "label",
]
