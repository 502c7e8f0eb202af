"""The service document and `$metadata`."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from sandbox.d365fo.model import EDM_TYPES, NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sandbox.d365fo.model import EntitySet, Enum, Field, Model

_TERM = "Microsoft.Dynamics.OData.Core.V1"
_EDMX = "http://docs.oasis-open.org/odata/ns/edmx"
_EDM = "http://docs.oasis-open.org/odata/ns/edm"
_AX_TYPES = {"Decimal": "Real", "Boolean": "Boolean", "Binary": "Container"}


def service_document(model: Model, base_url: str) -> dict[str, Any]:
    """The entity sets by name and URL."""
    sets = [{"name": name, "kind": "EntitySet", "url": name} for name in model.sets]
    return {"@odata.context": f"{base_url}/data/$metadata", "value": sets}


def metadata_document(model: Model) -> tuple[str, str]:
    """The CSDL document and its ETag."""
    text = "\n".join(_document(model)) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return text, f'W/"{digest}"'


def _document(model: Model) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f'<edmx:Edmx Version="4.0" xmlns:edmx="{_EDMX}"><edmx:DataServices>'
    yield f'<Schema Namespace="{NAMESPACE}" xmlns="{_EDM}">'
    for name, members in model.enums.items():
        yield from _enum(name, members)
    for entity in model.sets.values():
        yield from _entity_type(entity, model)
    yield '<EntityContainer Name="Resources">'
    for entity in model.sets.values():
        yield from _entity_set(entity)
    yield "</EntityContainer></Schema></edmx:DataServices></edmx:Edmx>"


def _enum(name: str, members: Enum) -> Iterator[str]:
    yield f"<EnumType Name={quoteattr(name)}>"
    for member, value in members.items():
        yield f'<Member Name={quoteattr(member)} Value="{value}"/>'
    yield "</EnumType>"


def _entity_type(entity: EntitySet, model: Model) -> Iterator[str]:
    yield f'<EntityType Name="{entity.type_name}"><Key>'
    for name in entity.keys:
        yield f'<PropertyRef Name="{name}"/>'
    yield "</Key>"
    for field in entity.fields.values():
        yield _property(entity, field)
    for navigation in entity.navigations.values():
        target = model.sets[navigation.target].full_type_name
        kind = f"Collection({target})" if navigation.many else target
        yield f'<NavigationProperty Name="{navigation.name}" Type="{kind}"/>'
    yield "</EntityType>"


def _property(entity: EntitySet, field: Field) -> str:
    nullable = "" if field.nullable else ' Nullable="false"'
    ax_type = "Enum" if field.type not in EDM_TYPES else _AX_TYPES.get(field.type, field.type)
    editable = not (entity.read_only or field.read_only or field.key)
    return (
        f'<Property Name="{field.name}" Type="{field.edm_type}"{nullable}>'
        f'<Annotation Term="{_TERM}.AXType" String="{ax_type}"/>'
        f'<Annotation Term="{_TERM}.AllowEdit" Bool="{str(editable).lower()}"/>'
        f'<Annotation Term="{_TERM}.IsRequired" Bool="{str(field.mandatory).lower()}"/>'
        "</Property>"
    )


def _entity_set(entity: EntitySet) -> Iterator[str]:
    yield f'<EntitySet Name="{entity.name}" EntityType="{entity.full_type_name}">'
    for navigation in entity.navigations.values():
        yield (
            f'<NavigationPropertyBinding Path="{navigation.name}" Target="{navigation.target}"/>'
        )
    yield "</EntitySet>"
