"""Secrets in Azure Key Vault, read by the identity of this machine (extra `azure`)."""

from __future__ import annotations

import re
from typing import Any

from singer_delivery.errors import SetupError

#: `vault/secret` or `vault/secret/version`; the vault by its name, or its host in other clouds.
NAMED = re.compile(r"([A-Za-z0-9.-]+)/([0-9A-Za-z-]+)(?:/([0-9a-fA-F]+))?")
PUBLIC_SUFFIX = ".vault.azure.net"
#: Hosts of Key Vault: public, US government and China clouds.
HOSTS = re.compile(
    r"[a-z][a-z0-9-]{1,22}[a-z0-9]\.vault\.(azure\.net|usgovcloudapi\.net|azure\.cn)"
)


def key_vault_secret(name: str) -> str:
    """Return a secret. Raises SetupError, also where the extra is not installed."""
    found = NAMED.fullmatch(name)
    if not found:
        msg = f"azure-keyvault:{name}: say azure-keyvault:vault/secret"
        raise SetupError(msg)
    host = found[1].lower() if "." in found[1] else f"{found[1].lower()}{PUBLIC_SUFFIX}"
    if not HOSTS.fullmatch(host):
        msg = f"azure-keyvault:{name}: {host} is no host of Azure Key Vault"
        raise SetupError(msg)
    return _read(f"https://{host}", found[2], found[3])


def _read(vault_url: str, secret: str, version: str | None) -> str:
    try:
        from azure.core.exceptions import AzureError  # noqa: PLC0415 - an extra
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415
    except ImportError:
        msg = "install singer-delivery[azure] beside the plugin to read Azure Key Vault"
        raise SetupError(msg) from None
    client: Any = SecretClient(vault_url, DefaultAzureCredential())
    try:
        return str(client.get_secret(secret, version).value or "")
    except AzureError as error:
        # Its text can be long, and quotes the answer; its kind and the status are enough.
        status = getattr(error, "status_code", None)
        words = f"{status} " if status else ""
        msg = f"{vault_url} did not give secret {secret!r}: {words}{type(error).__name__}"
        raise SetupError(msg) from None
    finally:
        client.close()
