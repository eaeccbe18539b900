"""What programs are told that update or transfer zones with a shared secret (TSIG)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["PROGRAMS", "Program", "Secret"]


class Secret(NamedTuple):
    """A key and where it is good: its name, `hmac-sha256` and the like, the secret in base64, our server, the zones."""

    name: str
    algorithm: str
    secret: str
    host: str
    port: int
    zones: Sequence[str]


class Program(NamedTuple):
    """A program: what it is told, and what its key may do unless somebody says otherwise.

    tell: makes what stdout gets; names, types: what it changes; transfers: whether it takes whole zones.
    """

    tell: Callable[[Secret], str]
    names: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    transfers: bool = False


def _nsupdate(of: Secret) -> str:
    return f"# in a file for nsupdate -k FILE; its first line is then: server {of.host} {of.port}\n{_named_key(of)}"


def _certbot(of: Secret) -> str:
    return (
        "# in a file of mode 0600: certbot certonly --dns-rfc2136 --dns-rfc2136-credentials FILE ...\n"
        f"dns_rfc2136_server = {of.host}\n"
        f"dns_rfc2136_port = {of.port}\n"
        f"dns_rfc2136_name = {of.name}.\n"
        f"dns_rfc2136_secret = {of.secret}\n"
        f"dns_rfc2136_algorithm = {of.algorithm.upper()}\n"
    )


def _lego(of: Secret) -> str:
    return (
        "# lego --dns rfc2136 ...\n"
        f"export RFC2136_NAMESERVER={_place(of)}\n"
        f"export RFC2136_TSIG_KEY={of.name}\n"
        f"export RFC2136_TSIG_ALGORITHM={of.algorithm}.\n"
        f"export RFC2136_TSIG_SECRET={of.secret}\n"
    )


def _cert_manager(of: Secret) -> str:
    name = f"tsig-{of.name.replace('_', '-')}"
    return (
        "apiVersion: v1\n"
        "kind: Secret\n"
        f"metadata:\n  name: {name}\n"
        f"stringData:\n  secret: {of.secret}\n"
        "---\n"
        "# below spec.acme.solvers of an Issuer, in the namespace of the Secret\n"
        "- dns01:\n"
        "    rfc2136:\n"
        f"      nameserver: {_place(of)}\n"
        f"      tsigKeyName: {of.name}\n"
        f"      tsigAlgorithm: {of.algorithm.replace('-', '').upper()}\n"
        f"      tsigSecretSecretRef:\n        name: {name}\n        key: secret\n"
    )


def _external_dns(of: Secret) -> str:
    zones = "".join(f"--rfc2136-zone={zone}\n" for zone in of.zones)
    return (
        "--provider=rfc2136\n"
        f"--rfc2136-host={of.host}\n"
        f"--rfc2136-port={of.port}\n"
        f"{zones}"
        f"--rfc2136-tsig-keyname={of.name}\n"
        f"--rfc2136-tsig-secret-alg={of.algorithm}\n"
        f"--rfc2136-tsig-secret={of.secret}\n"
        "--rfc2136-tsig-axfr\n"
    )


def _knot(of: Secret) -> str:
    zones = "".join(f"  - domain: {zone}\n    master: zonemint\n    acl: zonemint\n" for zone in of.zones)
    return (
        f"key:\n  - id: {of.name}\n    algorithm: {of.algorithm}\n    secret: {of.secret}\n"
        f"remote:\n  - id: zonemint\n    address: {of.host}@{of.port}\n    key: {of.name}\n"
        f"acl:\n  - id: zonemint\n    address: {of.host}\n    action: notify\n"
        f"zone:\n{zones}"
    )


def _nsd(of: Secret) -> str:
    zones = "".join(
        f'zone:\n    name: "{zone}"\n    request-xfr: {of.host}@{of.port} {of.name}\n'
        f"    allow-notify: {of.host} NOKEY\n"
        for zone in of.zones
    )
    return f'key:\n    name: "{of.name}"\n    algorithm: {of.algorithm}\n    secret: "{of.secret}"\n{zones}'


def _named(of: Secret) -> str:
    zones = "".join(
        f'zone "{zone}" {{\n    type secondary;\n    file "{zone}.secondary";\n'
        f'    primaries {{ {of.host} port {of.port} key "{of.name}"; }};\n}};\n'
        for zone in of.zones
    )
    return _named_key(of) + zones


def _named_key(of: Secret) -> str:
    return f'key "{of.name}" {{\n    algorithm {of.algorithm};\n    secret "{of.secret}";\n}};\n'


def _place(of: Secret) -> str:
    return f"[{of.host}]:{of.port}" if ":" in of.host else f"{of.host}:{of.port}"


_CHALLENGES = ("_acme-challenge.*",)

PROGRAMS: Mapping[str, Program] = {
    "nsupdate": Program(_nsupdate),
    "certbot": Program(_certbot, _CHALLENGES, ("TXT",)),
    "lego": Program(_lego, _CHALLENGES, ("TXT",)),
    "cert-manager": Program(_cert_manager, _CHALLENGES, ("TXT",)),
    "external-dns": Program(_external_dns, transfers=True),
    "knot": Program(_knot, transfers=True),
    "nsd": Program(_nsd, transfers=True),
    "named": Program(_named, transfers=True),
}
"""By the word for `--for`."""
