"""The error tree: raised anywhere, mapped once at each edge (ACME problem, acme-dns JSON, rcode, CLI message)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path

__all__ = [
    "AcmeDnsError",
    "AcmeError",
    "AcmeErrorType",
    "AdminError",
    "AuditBroken",
    "BackupError",
    "BadName",
    "ConfigError",
    "CsrError",
    "DnsFailure",
    "EncryptedKey",
    "EnrollmentError",
    "ExchangeFailed",
    "ForeignDataError",
    "IssuanceError",
    "KeyFileError",
    "NotHeld",
    "PeerNotTrusted",
    "SchemaTooNew",
    "StoreError",
    "StoreUnavailable",
    "TrustError",
    "Unproven",
    "Undelivered",
    "UpdateRefused",
    "ZonemintError",
]


class ZonemintError(Exception):
    """Something failed for a reason that we can tell; `str()` of it is a whole sentence for a person."""


class ConfigError(ZonemintError):
    """A setting, a zone file or a command line is wrong; `file` and `line` (from 1) say where, if known."""

    def __init__(self, detail: str, *, file: Path | str | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(f"{place}{detail}")
        self.detail = detail
        self.file = file
        self.line = line


class KeyFileError(ConfigError):
    """A private key or CA certificate cannot be read or does not fit its partner."""


class EncryptedKey(KeyFileError):
    """A private key is encrypted, and nobody said with which password."""


class BadName(ZonemintError):
    """A text is not a domain name that we accept."""


class ForeignDataError(ZonemintError):
    """Bytes from outside (a DNS message, an HTTP body) do not follow their format."""


class UpdateRefused(ZonemintError):
    """An update of a zone that is answered with a response code other than NOERROR (RFC 2136 section 2.2)."""

    def __init__(self, rcode: int, why: str) -> None:
        super().__init__(why)
        self.rcode = rcode


class DnsFailure(ZonemintError):
    """A name server did not answer, or not with a DNS message; the text names the server and the question."""


class ExchangeFailed(ZonemintError):
    """Another server did not answer an HTTP request, or not with a reply that we take; the text names its host."""


class PeerNotTrusted(ExchangeFailed):
    """The other server's certificate is none that is trusted, or has not its name."""


class CsrError(ZonemintError):
    """A certificate signing request is refused (RFC 8555 section 7.4: badCSR)."""


class IssuanceError(ZonemintError):
    """A certificate would not be valid at any time from now on, so it is not made."""


class StoreError(ZonemintError):
    """The store refused or failed."""


class StoreUnavailable(StoreError):
    """The store cannot answer now; the same call may work later."""


class AuditBroken(ZonemintError):
    """The audit log is not what was written; the text names the first entry that tells so, and what is wrong."""


class AcmeDnsError(ZonemintError):
    """A request that the acme-dns API refuses with one word, an HTTP status and perhaps headers."""

    def __init__(self, word: str, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(word)
        self.word = word
        self.status = status
        self.headers = dict(headers or {})


class AdminError(ZonemintError):
    """A request that the admin API refuses, with an HTTP status and perhaps headers."""

    def __init__(self, detail: str, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})


class EnrollmentError(ZonemintError):
    """A request for a certificate without ACME that is refused, with an HTTP status."""

    def __init__(self, detail: str, status: int) -> None:
        super().__init__(detail)
        self.status = status


class SchemaTooNew(StoreError):
    """The store was written by a newer release."""


class BackupError(ZonemintError):
    """A backup cannot be made, is damaged or is not one, or cannot be put where it shall go."""


class TrustError(ZonemintError):
    """A root is not one to trust, or a store of trusted roots cannot be read or changed; the text says which."""


class Undelivered(ZonemintError):
    """A hook's receiver did not take an event; `refused` when it said so, and not that it can take none now."""

    def __init__(self, why: str, *, refused: bool) -> None:
        super().__init__(why)
        self.refused = refused


class NotHeld(ZonemintError):
    """Something that the demonstration shows was not so; the text says what, and what was seen instead."""


class AcmeErrorType(StrEnum):
    """The error types of RFC 8555 section 6.7 and its extensions that are of use here, without their URN prefix."""

    ACCOUNT_DOES_NOT_EXIST = "accountDoesNotExist"
    ALREADY_REPLACED = "alreadyReplaced"
    ALREADY_REVOKED = "alreadyRevoked"
    BAD_CSR = "badCSR"
    BAD_NONCE = "badNonce"
    BAD_PUBLIC_KEY = "badPublicKey"
    BAD_REVOCATION_REASON = "badRevocationReason"
    BAD_SIGNATURE_ALGORITHM = "badSignatureAlgorithm"
    CAA = "caa"
    COMPOUND = "compound"
    CONNECTION = "connection"
    DNS = "dns"
    EXTERNAL_ACCOUNT_REQUIRED = "externalAccountRequired"
    INCORRECT_RESPONSE = "incorrectResponse"
    INVALID_CONTACT = "invalidContact"
    INVALID_PROFILE = "invalidProfile"
    MALFORMED = "malformed"
    ORDER_NOT_READY = "orderNotReady"
    RATE_LIMITED = "rateLimited"
    REJECTED_IDENTIFIER = "rejectedIdentifier"
    SERVER_INTERNAL = "serverInternal"
    TLS = "tls"
    UNAUTHORIZED = "unauthorized"
    UNSUPPORTED_CONTACT = "unsupportedContact"
    UNSUPPORTED_IDENTIFIER = "unsupportedIdentifier"
    USER_ACTION_REQUIRED = "userActionRequired"


class AcmeError(ZonemintError):
    """A request that the ACME protocol answers with a problem document (RFC 8555 section 6.7).

    `subproblems` pair an identifier object with its own error (section 6.7.1); `fields` are extra members of the
    document (such as `algorithms`); `status` overrides the HTTP status that belongs to the type.
    """

    def __init__(
        self,
        type_: AcmeErrorType,
        detail: str,
        *,
        subproblems: Sequence[tuple[Mapping[str, str], AcmeError]] = (),
        fields: Mapping[str, object] | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail
        self.subproblems = tuple(subproblems)
        self.fields = dict(fields or {})
        self.status = status
        self.headers = dict(headers or {})


class Unproven(ZonemintError):
    """An attempt at a validation ended without proof; `again` tells that another one may see something else."""

    def __init__(self, type_: AcmeErrorType, detail: str, *, again: bool = True) -> None:
        super().__init__(detail)
        self.type = type_
        self.detail = detail
        self.again = again
