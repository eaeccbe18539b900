"""What the settings make of certificates is linted when the server starts: no order shall be the first to find out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from zonemint.app.linter import Linter
from zonemint.core.errors import ConfigError
from zonemint.pki import issue, lint
from zonemint.pki.issue import Template
from zonemint.pki.serials import new_serial

__all__ = ["vet"]

_KINDS = ("p256", "p384", "p521", "ed25519", "rsa")


async def vet(
    linter: Linter,
    templates: Iterable[Template],
    *,
    domain: str,
    own: tuple[Template, Sequence[str], Sequence[str]],
    now: float,
) -> None:
    """Lint certificates of each profile for a host and for a host with a wildcard, and the server's `own`.

    Raises ConfigError with the first finding.
    """
    name = f"host.{domain}"
    samples = [(one, names, ()) for one in templates for names in ((name,), (name, f"*.{name}"))]
    pairs, profiles = {}, {}
    for template, names, ips in [*samples, own]:
        key = _key(template)
        prepared = issue.prepare(template, names=names, ips=ips, public_key=key, serial=new_serial(), now=now)
        shape = lint.shape(template, names=names, ips=ips, key=key, until=prepared.not_after)
        pairs[shape] = lint.stand_in(prepared)
        profiles[shape] = template.profile.name
    for profile, flaw in zip(profiles.values(), await linter.objections(pairs), strict=True):
        if flaw:
            raise ConfigError(f"profiles.{profile}: the linter refuses its certificates: {flaw}")


def _key(template: Template) -> CertificatePublicKeyTypes:
    """Return a key of the first kind that a profile takes."""
    kinds = template.profile.keys
    match next(kind for kind in _KINDS if kinds is None or kind in kinds):
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate().public_key()
        case "rsa":
            return rsa.generate_private_key(public_exponent=65537, key_size=template.profile.rsa_bits).public_key()
        case "p384":
            return ec.generate_private_key(ec.SECP384R1()).public_key()
        case "p521":
            return ec.generate_private_key(ec.SECP521R1()).public_key()
    return ec.generate_private_key(ec.SECP256R1()).public_key()
