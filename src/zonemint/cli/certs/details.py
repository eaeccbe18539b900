"""`zonemint certs show`: all that is known about a certificate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.certs.finding import find, in_file, row, the_very_same
from zonemint.cli.options import DataOption, JsonOption

if TYPE_CHECKING:
    from cryptography import x509

    from zonemint.store.certificates import Certificate
    from zonemint.store.orders import Order

__all__ = ["show"]


def show(
    which: Annotated[
        str,
        typer.Argument(
            metavar="SERIAL|NAME|FILE",
            help="The serial number, a name: its newest certificate, or a file with the certificate in PEM.",
        ),
    ],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a certificate: what is known about it, its order, and its PEM."""
    import ssl

    from zonemint.cli.output import show_facts
    from zonemint.cli.session import Session, run
    from zonemint.store import orders

    file = in_file(Path(which)) if Path(which).is_file() else None

    async def read(session: Session) -> tuple[Certificate, Order | None]:
        found = await the_very_same(session, *file) if file else await find(session, which)
        order = None if found.order_id is None else await session.db.read(orders.by_id(found.order_id))
        return found, order

    found, order = run(data, read)
    assert found.der is not None  # only a reserved serial has none, and those are not found
    facts = {**row(found), **_of_order(order), **_of_der(found.der)}
    pem = ssl.DER_cert_to_PEM_cert(found.der)
    if as_json:
        show_facts({**facts, "pem": pem}, as_json=True)
        return
    show_facts(facts, as_json=False)
    print(pem, end="")


def _of_order(order: Order | None) -> dict[str, object]:
    """Return what an order tells beside its certificate; `orders explain` has its story."""
    from zonemint.core.clock import rfc3339

    if order is None:
        return {"profile": None, "provisioner": None, "ordered": None}
    return {"profile": order.profile, "provisioner": order.provisioner, "ordered": rfc3339(order.created_at)}


def _of_der(der: bytes) -> dict[str, object]:
    """Return what the certificate says itself."""
    from hashlib import sha256

    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    return {
        "subject": certificate.subject.rfc4514_string() or None,
        "issuer": certificate.issuer.rfc4514_string(),
        "key_type": _key_type(certificate),
        "usages": _usages(certificate),
        "crl": _pointers(certificate)[0],
        "issuer_url": _pointers(certificate)[1],
        "ocsp": _pointers(certificate)[2],
        "sha256": sha256(der).hexdigest(),
    }


def _key_type(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    key = certificate.public_key()
    if isinstance(key, EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    if isinstance(key, RSAPublicKey):
        return f"RSA {key.key_size}"
    return type(key).__name__.strip("_").removesuffix("PublicKey")


def _usages(certificate: x509.Certificate) -> list[str]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return []
    return [usage._name if usage._name != "Unknown OID" else usage.dotted_string for usage in found]


def _pointers(certificate: x509.Certificate) -> tuple[list[str], list[str], list[str]]:
    """Return where the revocation list, the issuer's certificate and the OCSP responder are."""
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID as Oid

    lists: list[str] = []
    issuers: list[str] = []
    responders: list[str] = []
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.CRLDistributionPoints):
            lists += [name.value for point in extension.value for name in point.full_name or ()]
        elif isinstance(extension.value, x509.AuthorityInformationAccess):
            for one in extension.value:
                place = issuers if one.access_method == Oid.CA_ISSUERS else responders
                place.append(one.access_location.value)
    return lists, issuers, responders
