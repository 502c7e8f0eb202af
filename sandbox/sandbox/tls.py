"""The throw-away certificate authority that every origin of the sandbox is served under."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class ThrowAwayCA:
    """A certificate authority made for one run: what clients trust and what servers present."""

    ca_file: Path
    server_context: ssl.SSLContext
    #: Certificate and private key in one file, for other servers on this machine.
    server_file: Path


def make_ca(directory: Path) -> ThrowAwayCA:
    """Make an authority, write its certificate to `directory`/ca.pem, issue one for `NAMES`."""
    authority = trustme.CA(organization_name="sandbox", organization_unit_name="throw-away")
    directory.mkdir(parents=True, exist_ok=True)
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # both systems refuse anything older
    certificate = authority.issue_cert(*NAMES)
    certificate.configure_cert(context)
    server_file = directory / "server.pem"
    server_file.touch(mode=0o600)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(server_file))
    return ThrowAwayCA(ca_file=ca_file, server_context=context, server_file=server_file)
