"""Settings that the tap and the target share, and the client that they describe."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from singer_delivery.errors import SetupError
from singer_delivery.http import HttpOptions
from singer_delivery.origin import LOOPBACK, Origin
from singer_delivery.plugin import HTTP_SETTINGS, http_options
from singer_delivery.tokens import BearerCredentials, Token
from singer_sdk import typing as th

from tap_d365fo.auth import (
    PUBLIC_AUTHORITY,
    EntraApp,
    EntraTokens,
    ManagedIdentityTokens,
    TokenHttp,
    default_scope,
)
from tap_d365fo.client import D365Client
from tap_d365fo.credentials import Authentication, authentication, credential

#: Commercial, US government and China clouds; names are never built from parts.
DYNAMICS_HOST = re.compile(r"(^|\.)(dynamics\.(com|us|cn)|operations365\.dynamics\.cn)$")

CONNECTION_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        "base_url",
        th.StringType,
        required=True,
        title="Environment",
        description="Full address of the Dynamics environment, e.g. "
        "https://contoso.operations.eu.dynamics.com.",
    ),
    th.Property(
        "tenant_id",
        th.StringType,
        required=True,
        title="Tenant",
        description="Microsoft Entra tenant that the environment lives in: its id or a domain.",
    ),
    th.Property(
        "client_id",
        th.StringType,
        required=True,
        title="Client id",
        description="Application (client) id, registered in Dynamics under System administration "
        "> Setup > Microsoft Entra ID applications.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="Client secret",
        description="Value of the application's client secret, or where it is kept: vault:NAME and "
        "other references (see docs/security.md).",
    ),
    th.Property(
        "authentication",
        th.StringType,
        default=Authentication.CLIENT_SECRET.value,
        allowed_values=[each.value for each in Authentication],
        title="Authentication",
        description="How the application proves who it is: a client_secret; a certificate; "
        "workload_identity, by a token that the platform (Kubernetes, a CI system) writes to a "
        "file; managed_identity or user_assigned_identity, where Azure vouches for the machine "
        "(client_id is then that of the identity).",
    ),
    th.Property(
        "client_certificate",
        th.StringType,
        secret=True,
        title="Client certificate",
        description="Private key (RSA) and certificate in one PEM text, or where it is kept: "
        "file:/run/secrets/dynamics.pem, vault:NAME.",
    ),
    th.Property(
        "client_certificate_password",
        th.StringType,
        secret=True,
        title="Certificate password",
        description="Password of the private key, if it is encrypted, or where it is kept.",
    ),
    th.Property(
        "federated_token_file",
        th.StringType,
        title="Federated token file",
        description="File with the token for workload_identity; where it is not set, that of "
        "AZURE_FEDERATED_TOKEN_FILE.",
    ),
    th.Property(
        "authority",
        th.StringType,
        default=PUBLIC_AUTHORITY,
        title="Token authority",
        description="Where tokens come from; differs in the US government and China clouds.",
    ),
    th.Property(
        "scope",
        th.StringType,
        title="Token scope",
        description="Scope to ask for instead of the environment's own address and /.default.",
    ),
    th.Property(
        "allow_other_hosts",
        th.BooleanType,
        default=False,
        title="Other hosts",
        description="Accept an environment outside the dynamics.com, .us and .cn domains.",
    ),
    th.Property(
        "max_lookup_rows",
        th.IntegerType,
        default=40,
        title="Keys per lookup",
        description="How many keys one read asks for at most.",
    ),
    th.Property(
        "max_url_length",
        th.IntegerType,
        default=6000,
        title="URL length",
        description="Longest URL of a read, in characters; fewer keys are asked for beyond it.",
    ),
    *HTTP_SETTINGS,
)


#: Settings without which an application cannot prove itself.
NEEDED = {
    Authentication.CLIENT_SECRET: ("client_secret",),
    Authentication.CERTIFICATE: ("client_certificate",),
}


def environment_url(text: str, *, allow_other_hosts: bool = False) -> str:
    """Return the origin of an environment, without path. Raises SetupError.

    A trailing slash and the path /data, as people copy them, are tolerated.
    """
    origin = _origin("base_url", text.strip())
    parts = urlsplit(text.strip())
    known = DYNAMICS_HOST.search(origin.host) or origin.host in LOOPBACK
    if not known and not allow_other_hosts:
        msg = (
            f"base_url: {origin.host!r} is not a Dynamics host like "
            "contoso.operations.dynamics.com; set allow_other_hosts if it is right"
        )
        raise SetupError(msg)
    if parts.path.strip("/").lower() not in {"", "data"} or parts.query or parts.fragment:
        msg = f"base_url: give the address of the environment alone, e.g. {origin}"
        raise SetupError(msg)
    return str(origin)


def _origin(setting: str, url: str) -> Origin:
    try:
        return Origin.of(url)
    except SetupError as error:
        msg = f"{setting}: {error}"
        raise SetupError(msg) from None


def configured_environment(config: Mapping[str, Any]) -> str:
    """Return the origin of the configured environment: the ledger's name for it."""
    allow = bool(config.get("allow_other_hosts"))
    return environment_url(config["base_url"], allow_other_hosts=allow)


def build_client(
    config: Mapping[str, Any], *, connections: int = 8, kind: type[D365Client] = D365Client
) -> D365Client:
    """Return the client that CONNECTION_SETTINGS describe; nothing is sent yet.

    `connections` is the number of threads that will share it; `kind` a client with narrower
    manners. Raises SetupError.
    """
    needed = ("tenant_id", "client_id", *NEEDED.get(authentication(config), ()))
    missing = [name for name in needed if not config.get(name)]
    if missing:
        msg = f"not set: {', '.join(missing)}"
        raise SetupError(msg)
    environment = configured_environment(config)
    authority = config.get("authority") or PUBLIC_AUTHORITY
    _origin("authority", authority)
    options = http_options(config, connections=connections)
    return kind(
        base_url=f"{environment}/data",
        credentials=BearerCredentials(_tokens(config, environment, authority, options)),
        options=options,
        max_lookup_rows=config.get("max_lookup_rows") or 40,
        max_url_length=config.get("max_url_length") or 6000,
    )


def _tokens(
    config: Mapping[str, Any], environment: str, authority: str, options: HttpOptions
) -> Callable[[], Token]:
    """Return what asks for tokens, as the setting authentication says. Raises SetupError."""
    scope = config.get("scope") or default_scope(environment)
    way = authentication(config)
    if way.is_managed:
        assigned = way is Authentication.USER_ASSIGNED_IDENTITY
        return ManagedIdentityTokens(
            client_id=config["client_id"] if assigned else "",
            resource=scope.removesuffix("/.default"),
            http=TokenHttp(options, local_http=True),
        )
    app = EntraApp(
        tenant_id=config["tenant_id"],
        client_id=config["client_id"],
        credential=credential(config),
        scope=scope,
        authority=authority,
    )
    return EntraTokens(app, TokenHttp(options))
