"""What everyone may fetch of the PKI: roots, intermediate, revocation list. Over plain HTTP too, as each is signed."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.pki.authority import Authority
from zonemint.web import problems
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, Sources
from zonemint.web.reply import Reply

__all__ = ["PkiResources"]


class PkiResources:
    """The handlers; `crl` returns the current list in DER."""

    def __init__(self, authority: Authority, crl: Callable[[], bytes], sources: Sources) -> None:
        self._authority = authority
        self._crl = crl
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs."""
        table: dict[str, Handler] = {
            "/roots.pem": self._roots,
            "/root/{fingerprint}": self._root,
            "/intermediates.pem": self._intermediates,
            "/intermediate.crt": self._intermediate_der,
            "/crl": self._revocation_list,
        }
        return [
            Route(path, Endpoint({"GET": handler}, on_error=problems.response, sources=self._sources))
            for path, handler in table.items()
        ]

    async def _roots(self, call: Call) -> Reply:
        return _pem(self._authority.roots_pem)

    async def _root(self, call: Call) -> Reply:
        if call.path["fingerprint"].lower() != self._authority.fingerprint:
            return Reply("no root has this SHA-256 fingerprint\n", 404, media_type="text/plain")
        return _pem(self._authority.roots_pem)

    async def _intermediates(self, call: Call) -> Reply:
        return _pem(self._authority.chain_pem)

    async def _intermediate_der(self, call: Call) -> Reply:
        return Reply(self._authority.intermediate.public_bytes(Encoding.DER), media_type="application/pkix-cert")

    async def _revocation_list(self, call: Call) -> Reply:
        return Reply(self._crl(), media_type="application/pkix-crl")


def _pem(content: bytes) -> Reply:
    return Reply(content, media_type="application/x-pem-file")
