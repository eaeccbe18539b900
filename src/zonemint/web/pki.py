"""What everyone may fetch of the PKI: roots, intermediates, revocation lists. Over plain HTTP too: each is signed."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer, pem_of
from zonemint.web import problems
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, Sources
from zonemint.web.reply import Reply

__all__ = ["PkiResources"]

_NO_ISSUER = "no issuer has this key identifier"
_NO_WINDOW = "there is no revocation list for this window"
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)


class PkiResources:
    """The handlers; `authority` returns it as it is now, and `crl` an issuer's current list in DER."""

    def __init__(
        self, authority: Callable[[], Authority], crl: Callable[[Issuer, int, int], bytes | None], sources: Sources
    ) -> None:
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
            "/intermediate/{issuer}": self._intermediate_der,
            "/crl": self._revocation_list,
            "/1.0/crl": self._revocation_list,  # where step-ca has it
            "/crl/{issuer}": self._revocation_list,
            "/crl/{issuer}/{window}": self._revocation_list,
        }
        return [
            Route(path, Endpoint({"GET": handler}, on_error=problems.response, sources=self._sources))
            for path, handler in table.items()
        ]

    async def _roots(self, call: Call) -> Reply:
        return _pem(self._authority().roots_pem)

    async def _root(self, call: Call) -> Reply:
        wanted = call.path["fingerprint"].lower()
        found = next((one for one in self._authority().roots if one.fingerprint(SHA256()).hex() == wanted), None)
        if found is None:
            return _missing("no root has this SHA-256 fingerprint")
        if "accept" not in call.headers:
            # step's clients say nothing of what they accept, and read JSON.
            return Reply(msgspec.json.encode({"ca": pem_of((found,)).decode()}), media_type="application/json")
        return _pem(pem_of((found,)))

    async def _intermediates(self, call: Call) -> Reply:
        return _pem(self._authority().intermediates_pem)

    async def _intermediate_der(self, call: Call) -> Reply:
        issuer = self._issuer(call)
        if issuer is None:
            return _missing(_NO_ISSUER)
        return Reply(issuer.certificate.public_bytes(Encoding.DER), media_type="application/pkix-cert")

    async def _revocation_list(self, call: Call) -> Reply:
        issuer = self._issuer(call)
        if issuer is None:
            return _missing(_NO_ISSUER)
        begins, _, ends = call.path.get("window", "0-0").partition("-")
        if not _NUMBER.fullmatch(begins) or not _NUMBER.fullmatch(ends):
            return _missing(_NO_WINDOW)
        der = self._crl(issuer, int(begins), int(ends))
        return _missing(_NO_WINDOW) if der is None else Reply(der, media_type="application/pkix-crl")

    def _issuer(self, call: Call) -> Issuer | None:
        """Find the issuer of a path by its key identifier; a path without one means the issuer that signs."""
        return self._authority().issuer(call.path.get("issuer", "").lower())


def _missing(why: str) -> Reply:
    return Reply(f"{why}\n", 404, media_type="text/plain")


def _pem(content: bytes) -> Reply:
    return Reply(content, media_type="application/x-pem-file")
