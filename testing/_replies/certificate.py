"""A certificate for a server on this machine, and the authority that a client has to trust for it."""

from __future__ import annotations

import ssl
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

_LOCAL: Final = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE: Final = ("", "0.0.0.0", "::")


class Certificate:
    """A certificate for *host* and for the names of this machine, in files until it is closed."""

    def __init__(self, host: str) -> None:
        import trustme  # not for servers without TLS: it loads all of cryptography

        self._folder = TemporaryDirectory(prefix="maxim-gemini-tls-")
        authority = trustme.CA(organization_name="maxim-gemini")
        names = dict.fromkeys((*_LOCAL, host.strip("[]")))
        issued = authority.issue_cert(*(name for name in names if name not in _EVERYWHERE))
        self.ca_file: Final = Path(self._folder.name, "ca.pem")
        self.file: Final = Path(self._folder.name, "server.pem")
        """The certificate and its key."""
        authority.cert_pem.write_to_path(self.ca_file)
        issued.private_key_and_cert_chain_pem.write_to_path(self.file)

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """An SSL context that trusts this certificate, and no other."""
        return ssl.create_default_context(cafile=self.ca_file)

    def close(self) -> None:
        """Delete the files."""
        self._folder.cleanup()
