from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
import requests
from singer_delivery.errors import Refused, SetupError
from tap_d365fo.client import D365Client
from tap_d365fo.metadata import Metadata, MetadataCache, default_cache_folder, parse_metadata

DOCUMENT = """<?xml version="1.0" encoding="utf-8"?>
<edmx:Edmx Version="4.0" xmlns:edmx="http://docs.oasis-open.org/odata/ns/edmx">
 <edmx:DataServices>
  <Schema Namespace="Microsoft.Dynamics.DataEntities" xmlns="http://docs.oasis-open.org/odata/ns/edm">
   <EnumType Name="NoYes"><Member Name="No" Value="0"/><Member Name="Yes" Value="1"/></EnumType>
   <EnumType Name="Bare"><Member Name="A"/><Member Name="B"/></EnumType>
   <EntityType Name="Base" Abstract="true"><Key><PropertyRef Name="Id"/></Key>
    <Property Name="Id" Type="Edm.String" Nullable="false"/></EntityType>
   <EntityType Name="Derived" BaseType="Microsoft.Dynamics.DataEntities.Base">
    <Property Name="More" Type="Edm.Decimal"/></EntityType>
   <EntityType Name="VendorInvoiceHeader">
    <Key><PropertyRef Name="dataAreaId"/><PropertyRef Name="HeaderReference"/></Key>
    <Property Name="dataAreaId" Type="Edm.String" Nullable="false">
     <Annotation Term="Microsoft.Dynamics.OData.Core.V1.LabelId" String="@SYS1"/></Property>
    <Property Name="HeaderReference" Type="Edm.String" Nullable="false"/>
    <Property Name="IsOnHold" Type="Microsoft.Dynamics.DataEntities.NoYes"/>
    <NavigationProperty Name="Lines" Type="Collection(x)"/>
   </EntityType>
   <EntityContainer Name="Resources">
    <EntitySet Name="VendorInvoiceHeaders"
               EntityType="Microsoft.Dynamics.DataEntities.VendorInvoiceHeader"/>
    <EntitySet Name="Deriveds" EntityType="Microsoft.Dynamics.DataEntities.Derived"/>
   </EntityContainer>
  </Schema>
 </edmx:DataServices>
</edmx:Edmx>
"""


def parsed(text: str = DOCUMENT) -> Metadata:
    return parse_metadata(io.BytesIO(text.encode()))


def test_a_set_has_its_keys_in_order_and_the_types_of_its_properties() -> None:
    headers = parsed().entity_set("VendorInvoiceHeaders")

    assert headers.keys == ("dataAreaId", "HeaderReference")
    assert headers.properties == {
        "dataAreaId": "Edm.String",
        "HeaderReference": "Edm.String",
        "IsOnHold": "Microsoft.Dynamics.DataEntities.NoYes",
    }


def test_enums_have_their_members() -> None:
    enums = parsed().enums

    assert enums["Microsoft.Dynamics.DataEntities.NoYes"] == {"No": 0, "Yes": 1}
    assert enums["Microsoft.Dynamics.DataEntities.Bare"] == {"A": 0, "B": 1}


def test_a_derived_type_has_the_key_of_its_base() -> None:
    derived = parsed().entity_set("Deriveds")

    assert derived.keys == ("Id",)
    assert derived.properties == {"Id": "Edm.String", "More": "Edm.Decimal"}


def test_an_unknown_set_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(SetupError, match="did you mean VendorInvoiceHeaders"):
        parsed().entity_set("vendorinvoiceheaders")


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "",
        "<x/>",
        '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
        DOCUMENT[:900],
    ],
)
def test_what_is_no_metadata_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        parsed(text)


def test_a_document_type_is_refused_where_entities_could_hide() -> None:
    with pytest.raises(Refused, match="DTDForbidden"):
        parsed(DOCUMENT.replace("<edmx:Edmx", '<!DOCTYPE x SYSTEM "file:///x"><edmx:Edmx', 1))


@dataclass
class Environment:
    """Answers `$metadata`, with an ETag, and counts how often the document was sent."""

    environment: str = "https://contoso.operations.dynamics.com"
    etag: str = '"1"'
    sent: int = 0
    asked: list[dict[str, str]] = field(default_factory=list)

    def get(self, url: str, *, headers: dict[str, str]) -> requests.Response:
        assert url == "$metadata"
        self.asked.append(headers)
        response = requests.Response()
        response.headers["ETag"] = self.etag
        response.status_code = 304 if headers.get("If-None-Match") == self.etag else 200
        if response.status_code == 200:
            self.sent += 1
            response.raw = io.BytesIO(DOCUMENT.encode())
        return response


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def load(cache: MetadataCache, environment: Environment) -> Metadata:
    return cache.load(cast(D365Client, environment))


def test_the_document_is_fetched_once_and_confirmed_when_it_is_old(tmp_path: Path) -> None:
    environment, clock = Environment(), Clock()
    cache = MetadataCache(tmp_path / "new", max_age=60, now=clock)

    first = load(cache, environment)
    assert load(cache, environment) == first == parsed()
    assert len(environment.asked) == 1

    clock.now += 61
    assert load(cache, environment) == first
    clock.now += 59
    load(cache, environment)
    assert (len(environment.asked), environment.sent) == (2, 1)

    clock.now += 2
    environment.etag = '"2"'
    load(cache, environment)
    assert environment.sent == 2


def test_each_environment_has_its_own(tmp_path: Path) -> None:
    cache = MetadataCache(tmp_path)
    one, other = Environment(), Environment("https://other.operations.dynamics.com")

    load(cache, one)
    load(cache, other)

    assert (one.sent, other.sent) == (1, 1)


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"format": 0})])
def test_a_file_that_cannot_be_used_is_replaced(tmp_path: Path, content: str) -> None:
    environment, cache = Environment(), MetadataCache(tmp_path)
    load(cache, environment)
    (file,) = tmp_path.iterdir()
    file.write_text(content)

    load(cache, environment)

    assert environment.sent == 2
    assert list(tmp_path.iterdir()) == [file]


def test_a_document_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="larger than 10 bytes"):
        load(MetadataCache(tmp_path, max_bytes=10), Environment())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(SetupError, match="cannot be written"):
        load(MetadataCache(tmp_path / "file" / "folder"), Environment())


def test_the_cache_is_in_the_users_cache_folder(monkeypatch: Any) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")

    assert default_cache_folder() == Path("/var/cache/tap-d365fo")
