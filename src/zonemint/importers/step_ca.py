"""The folder of step-ca, as `step ca init` makes it: what its `config/ca.json` says, and where its files are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import field

from zonemint.core.errors import ForeignDataError
from zonemint.core.text import shown

__all__ = ["Claims", "Database", "Names", "Provisioner", "StepCa", "X509Policy", "load", "seconds"]

_LARGEST = 1 << 22  # octets of a JSON file
_SCHEME = re.compile(r"([a-z0-9]{2,20}):")
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?(?:ns|us|µs|ms|s|m|h))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}


class Claims(msgspec.Struct, frozen=True):
    """How long certificates live, in Go's writing, and whether they may be renewed; empty is as above."""

    default: str = field(name="defaultTLSCertDuration", default="")
    longest: str = field(name="maxTLSCertDuration", default="")
    disables_renewal: bool = field(name="disableRenewal", default=False)
    renews_after_expiry: bool = field(name="allowRenewalAfterExpiry", default=False)


class Names(msgspec.Struct, frozen=True):
    """The names and networks of one half of a policy."""

    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    email: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    cn: tuple[str, ...] = ()


class X509Policy(msgspec.Struct, frozen=True):
    """What is signed for, over all provisioners."""

    allow: Names = Names()
    deny: Names = Names()
    wildcards: bool = field(name="allowWildcardNames", default=False)


class _Policy(msgspec.Struct, frozen=True):
    x509: X509Policy | None = None


class _X509Options(msgspec.Struct, frozen=True):
    template: str = ""
    template_file: str = field(name="templateFile", default="")


class _Options(msgspec.Struct, frozen=True):
    x509: _X509Options = _X509Options()
    webhooks: tuple[dict[str, Any], ...] = ()


class Provisioner(msgspec.Struct, frozen=True):
    """A provisioner of any type; what only others than ACME and JWK have is not read."""

    type: str
    name: str
    claims: Claims = Claims()
    options: _Options = _Options()
    key: dict[str, Any] = {}
    encrypted_key: str = field(name="encryptedKey", default="")
    requires_external_account: bool = field(name="requireEAB", default=False)
    forces_common_name: bool = field(name="forceCN", default=False)
    challenges: tuple[str, ...] = ()
    terms: str = field(name="termsOfService", default="")
    website: str = ""
    caa_identities: tuple[str, ...] = field(name="caaIdentities", default=())


class Database(msgspec.Struct, frozen=True):
    """Where step-ca keeps what it issued."""

    type: str = ""
    source: str = field(name="dataSource", default="")
    name: str = field(name="database", default="")


class _Authority(msgspec.Struct, frozen=True):
    type: str = ""
    provisioners: tuple[Provisioner, ...] = ()
    template: dict[str, str] = {}
    claims: Claims = Claims()
    policy: _Policy = _Policy()
    backdate: str = "1m"
    has_admins: bool = field(name="enableAdmin", default=False)


class _Kms(msgspec.Struct, frozen=True):
    type: str = ""


class _Crl(msgspec.Struct, frozen=True):
    enabled: bool = False


class _CaJson(msgspec.Struct, frozen=True):
    root: str | tuple[str, ...] = ()
    crt: str = ""
    key: str = ""
    address: str = ""
    insecure_address: str = field(name="insecureAddress", default="")
    names: tuple[str, ...] = field(name="dnsNames", default=("localhost", "127.0.0.1", "::1"))
    federated_roots: tuple[str, ...] = field(name="federatedRoots", default=())
    kms: _Kms = _Kms()
    ssh: dict[str, Any] = {}
    db: Database = Database()
    authority: _Authority = _Authority()
    password: str = ""
    crl: _Crl = _Crl()


class _Defaults(msgspec.Struct, frozen=True):
    url: str = field(name="ca-url", default="")


class StepCa(NamedTuple):
    """A folder: `file` is its `ca.json`, the first of `roots` is the one above the intermediate; keys are not read.

    `url` is where its clients were told that it is, if that is known.
    """

    file: Path
    roots: tuple[Path, ...]
    intermediate: Path
    key: Path
    root_key: Path
    password: str
    url: str
    names: tuple[str, ...]
    address: str
    insecure_address: str
    provisioners: tuple[Provisioner, ...]
    claims: Claims
    policy: X509Policy | None
    subject: dict[str, str]
    backdate: str
    database: Database
    has_ssh: bool
    has_crl: bool


def load(folder: Path, provisioners: Path | None = None) -> StepCa:
    """Read the folder; raises ForeignDataError on one line for what cannot be taken over as a whole, and OSError.

    provisioners: the output of `step ca provisioner list`, for a CA that has them in its database.
    """
    file = folder / "config/ca.json"
    if not file.is_file():
        raise ForeignDataError(f"{file} is not there: name the folder that `step path` prints on the CA's machine")
    told = _read(file, _CaJson)
    _check(file, told)
    listed = told.authority.provisioners
    if provisioners is not None:
        listed = _read(provisioners, tuple[Provisioner, ...])
    elif told.authority.has_admins:
        raise ForeignDataError(
            f"{file}: authority.enableAdmin: the provisioners are in its database: run `step ca provisioner list > "
            "FILE` while it runs, and give that with --provisioners FILE"
        )
    defaults = file.with_name("defaults.json")
    return StepCa(
        file,
        tuple(_found(folder, one) for one in (*_several(told.root), *told.federated_roots)),
        _found(folder, told.crt),
        _found(folder, told.key),
        folder / "secrets/root_ca_key",
        told.password,
        _read(defaults, _Defaults).url if defaults.is_file() else "",
        told.names,
        told.address,
        told.insecure_address,
        listed,
        told.authority.claims,
        told.authority.policy.x509,
        told.authority.template,
        told.authority.backdate,
        told.db,
        bool(told.ssh),
        told.crl.enabled,
    )


def seconds(text: str) -> int:
    """Read a length of time as Go writes it, such as `720h0m0s`; raises ForeignDataError."""
    if not _DURATION.fullmatch(text) or len(text) > 40:
        raise ForeignDataError(f"'{shown(text, 40)}' is no length of time such as 720h0m0s")
    return int(sum(float(size) * _UNITS[unit] for size, unit in _PART.findall(text)))


def _check(file: Path, told: _CaJson) -> None:
    """Refuse what no part of can be taken over."""
    if told.authority.type.lower() not in ("", "softcas"):
        raise ForeignDataError(
            f"{file}: authority.type = '{shown(told.authority.type, 40)}': this is a registration authority, whose "
            "certificates another CA signs: import the folder of that CA, if it is a step-ca"
        )
    if missing := next((key for key in ("root", "crt", "key") if not getattr(told, key)), None):
        raise ForeignDataError(f"{file}: {missing} is not set")
    scheme = _SCHEME.match(told.key)
    if told.kms.type.lower() not in ("", "softkms") or (scheme is not None and scheme[1] != "file"):
        kind = told.kms.type or (scheme[1] if scheme else "")
        raise ForeignDataError(
            f"{file}: kms.type = '{shown(kind, 40)}': the intermediate's key is in a key manager and cannot be read. "
            "Where that speaks PKCS #11: `zonemint init --domain DOMAIN --root ROOT --key URI`, then `zonemint ca "
            "install-intermediate CERT` with the certificates that root and crt name"
        )


def _found(folder: Path, written: str) -> Path:
    """Return the file that a setting names, where the folder may have been copied from elsewhere since."""
    path = folder / written.removeprefix("file://").removeprefix("file:")
    return path if path.exists() else folder / path.parent.name / path.name


def _several(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _read(file: Path, shape: Any) -> Any:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ForeignDataError(f"{file}: it has more than {_LARGEST} octets")
    try:
        return msgspec.convert(_without_nulls(msgspec.json.decode(content)), shape)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ForeignDataError(f"{file}: this is not what step-ca writes: {shown(str(error), 200)}") from None


def _without_nulls(tree: Any) -> Any:
    """Take null, which Go writes for nothing, as not written."""
    if isinstance(tree, dict):
        return {key: _without_nulls(value) for key, value in tree.items() if value is not None}
    return [_without_nulls(one) for one in tree] if isinstance(tree, list) else tree
