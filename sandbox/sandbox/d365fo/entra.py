"""The token authority: discovery and the client-credentials grant of a Microsoft Entra tenant."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.d365fo.assertions import TokenRefusedError, check_assertion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.d365fo.state import D365State
    from sandbox.server import Sandbox


def create_app(sandbox: Sandbox) -> web.Application:
    """The origin that msal talks to."""

    async def configuration(request: web.Request) -> web.Response:
        tenant = request.match_info["tenant"]
        try:
            _check_tenant(sandbox.d365fo, tenant, "invalid_tenant")
        except TokenRefusedError as error:
            return _refusal(sandbox, error)
        return web.json_response(openid_configuration(sandbox.entra_url, tenant))

    async def token(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        version = 2 if "v2.0" in request.path else 1
        try:
            _check_tenant(sandbox.d365fo, request.match_info["tenant"], "invalid_request")
            return web.json_response(grant(sandbox, form, version))
        except TokenRefusedError as error:
            return _refusal(sandbox, error)

    async def identity(request: web.Request) -> web.Response:
        return managed_identity_token(sandbox, request)

    app = web.Application()
    app.router.add_get("/msi/token", identity)
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", configuration)
    app.router.add_get("/{tenant}/.well-known/openid-configuration", configuration)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", token)
    app.router.add_post("/{tenant}/oauth2/token", token)
    return app


def openid_configuration(authority: str, tenant: str) -> dict[str, Any]:
    """The discovery document of a tenant."""
    base = f"{authority}/{tenant}"
    return {
        "issuer": f"{base}/v2.0",
        "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
        "token_endpoint": f"{base}/oauth2/v2.0/token",
        "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
        "jwks_uri": f"{base}/discovery/v2.0/keys",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }


def grant(sandbox: Sandbox, form: Mapping[str, str], version: int) -> dict[str, Any]:
    """The token answer for a form of the client-credentials grant. Raises TokenRefusedError."""
    state = sandbox.d365fo
    if form.get("grant_type") != "client_credentials":
        text = "The app requested an unsupported grant type."
        raise TokenRefusedError(400, "unsupported_grant_type", 70003, text)
    client_id = _check_client(sandbox, form)
    audience = _audience(sandbox.d365fo_url, form, version)
    tenant = state.directory.tenant_id
    seconds = state.switches.token_seconds
    token = state.directory.issue(
        issuer=f"{sandbox.entra_url}/{tenant}/",
        audience=audience,
        client_id=client_id,
        seconds=seconds,
    )
    answer = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds}
    if version == 1:  # the old endpoint writes its numbers as text
        expires_on = int(state.clock.peek().timestamp()) + seconds
        texts = {"expires_in": seconds, "ext_expires_in": seconds, "expires_on": expires_on}
        return {
            "token_type": "Bearer",
            **{name: str(value) for name, value in texts.items()},
            "resource": audience,
            "access_token": token,
        }
    return {**answer, "access_token": token}


def managed_identity_token(sandbox: Sandbox, request: web.Request) -> web.Response:
    """What App Service answers to its own machine: the token of an identity assigned to it."""
    state = sandbox.d365fo
    directory, query = state.directory, request.query
    if request.headers.get("X-IDENTITY-HEADER") != directory.identity_header:
        return web.json_response({"statusCode": 401, "message": "Unauthorized"}, status=401)
    client_id = query.get("client_id") or directory.system_identity
    if client_id not in directory.identities:
        text = f"No managed identity found for specified ClientId {client_id}"
        return web.json_response({"statusCode": 400, "message": text}, status=400)
    seconds = state.switches.token_seconds
    token = directory.issue(
        issuer=f"{sandbox.entra_url}/{directory.tenant_id}/",
        audience=query.get("resource", "").lower(),
        client_id=client_id,
        seconds=seconds,
    )
    # Of the machine's clock, not the sandbox's: the library compares it with that.
    expires_on = str(int(time.time()) + seconds)
    answer = {"access_token": token, "expires_on": expires_on, "token_type": "Bearer"}
    return web.json_response({**answer, "resource": query.get("resource"), "client_id": client_id})


def _check_tenant(state: D365State, tenant: str, error: str) -> None:
    if tenant.lower() != state.directory.tenant_id.lower():
        text = (
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and "
            "are signing into the correct cloud."
        )
        raise TokenRefusedError(400, error, 90002, text)


def _check_client(sandbox: Sandbox, form: Mapping[str, str]) -> str:
    state = sandbox.d365fo
    client_id = form.get("client_id", "")
    secret = state.directory.secrets_by_client.get(client_id)
    if secret is None:
        text = (
            f"Application with identifier '{client_id}' was not found in the directory. This can "
            "happen if the application has not been installed by the administrator of the tenant."
        )
        raise TokenRefusedError(400, "unauthorized_client", 700016, text)
    if "client_assertion" in form:
        check_assertion(state.directory, form, client_id, sandbox.entra_url)
        return client_id
    if "client_secret" not in form:
        text = (
            "The request body must contain the following parameter: 'client_assertion' or "
            "'client_secret'."
        )
        raise TokenRefusedError(401, "invalid_client", 7000216, text)
    if form["client_secret"] != secret:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the "
            f"client secret value, not the client secret ID, for a secret added to '{client_id}'."
        )
        raise TokenRefusedError(401, "invalid_client", 7000215, text)
    return client_id


def _audience(environment: str, form: Mapping[str, str], version: int) -> str:
    """The `aud` claim: as asked for. F&O later refuses one with a trailing slash."""
    if version == 1:
        resource = form.get("resource", "")
    else:
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            text = (
                f"The provided value for scope {scope} is not valid. Client credential flows must "
                "have a scope value with /.default suffixed to the resource identifier."
            )
            raise TokenRefusedError(400, "invalid_scope", 1002012, text)
        resource = scope.removesuffix("/.default")
    if resource.lower().rstrip("/") != environment:
        text = f"The resource principal named {resource} was not found in the tenant."
        raise TokenRefusedError(400, "invalid_resource", 50001, text)
    return resource.lower()


def _refusal(sandbox: Sandbox, refused: TokenRefusedError) -> web.Response:
    moment = f"{sandbox.clock.peek():%Y-%m-%d %H:%M:%SZ}"
    trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
    description = (
        f"AADSTS{refused.number}: {refused} Trace ID: {trace} "
        f"Correlation ID: {correlation} Timestamp: {moment}"
    )
    body = {
        "error": refused.error,
        "error_description": description,
        "error_codes": [refused.number],
        "timestamp": moment,
        "trace_id": trace,
        "correlation_id": correlation,
    }
    return web.json_response(body, status=refused.status)
