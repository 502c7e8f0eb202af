"""The Basware API as an aiohttp application, and the storage origin it redirects to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from sandbox.basware.errors import BaswareError, refused, response_entity_list
from sandbox.basware.exact_json import dumps, loads
from sandbox.basware.paging import HEADER, Query, turn_page
from sandbox.basware.records import arranged, updated_after
from sandbox.basware.request_status import STATUSES
from sandbox.basware.resources import RESOURCES, Resource, list_resource
from sandbox.basware.responses import KINDS, ResponseKind
from sandbox.basware.storage import create_shelf_app
from sandbox.basware.tokens import AccessDeniedError, TokenRefusedError
