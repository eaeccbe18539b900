"""What others are told: events in the format of CloudEvents 1.0, whose ids are the same when they come again."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from zonemint.config import Seconds
from zonemint.core.clock import rfc3339
from zonemint.core.hash_chain import Entry
from zonemint.store.audit import Kind
from zonemint.store.inventory import Listed

__all__ = ["KINDS", "Event", "encode", "of_ca", "of_certificate", "of_entry", "sample"]

KINDS = {
    "issued": (Kind.CERTIFICATE_ISSUED,),
    "revoked": (Kind.CERTIFICATE_REVOKED,),
    "failed": (Kind.CERTIFICATE_FAILED,),
    "rotated": (Kind.INTERMEDIATE_ROTATED, Kind.ROOT_ROTATED, Kind.ROOT_DROPPED),
}
"""The entries of the audit log that are events, by their names in the settings."""

_TIMES = ("not_before", "not_after")


class Event(NamedTuple):
    """One event; `at` are seconds since 1970, `id` is a SHA-256 in hexadecimal."""

    id: str
    type: str
    at: float
    subject: str
    data: Mapping[str, object]


def of_entry(entry: Entry) -> Event:
    """Make an event of an entry of the audit log, whose hash is its id."""
    data = {
        key: rfc3339(value) if key in _TIMES and isinstance(value, int) else value
        for key, value in entry.detail.items()
    }
    what = "sha256" if entry.event in KINDS["rotated"] else "serial"
    data = {what: entry.subject, "actor": entry.actor, **data}
    return Event(entry.hash, entry.event, entry.at / 1000, entry.subject, data)


def of_certificate(certificate: Listed, threshold: Seconds) -> Event:
    """Make the event that a certificate ends in less than a time; its moment is when that was so first."""
    data = {
        "serial": certificate.serial,
        "names": certificate.names,
        "key": certificate.key_hash,
        "not_before": rfc3339(certificate.not_before),
        "not_after": rfc3339(certificate.not_after),
        "within": str(threshold),
        "order": certificate.order_id,
        "account": certificate.account_id,
        "profile": certificate.profile,
    }
    type_, at = "certificate.expiring", certificate.not_after - threshold
    return Event(_id(type_, certificate.serial, str(int(threshold))), type_, at, certificate.serial, data)


def of_ca(name: str, certificate: x509.Certificate, threshold: Seconds) -> Event:
    """Make the event that a certificate of the CA's own ends in less than a time."""
    digest, end = certificate.fingerprint(SHA256()).hex(), certificate.not_valid_after_utc.timestamp()
    data: Mapping[str, object] = {
        "certificate": name,
        "sha256": digest,
        "subject": certificate.subject.rfc4514_string(),
        "not_after": rfc3339(end),
        "within": str(threshold),
    }
    return Event(_id("ca.expiring", digest, str(int(threshold))), "ca.expiring", end - threshold, digest, data)


def sample(now: float) -> Event:
    """Make an event that tells of nothing, to try a hook with."""
    data: Mapping[str, object] = {"message": "this is a test of a hook: nothing happened"}
    return Event(_id("hook.test", str(now)), "hook.test", now, "test", data)


def encode(event: Event, *, source: str) -> bytes:
    """Write an event as JSON (CloudEvents 1.0, JSON format); `source` is the URL of the authority."""
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": event.id,
            "source": source,
            "type": f"zonemint.{event.type}",
            "time": rfc3339(event.at),
            "subject": event.subject,
            "datacontenttype": "application/json",
            "data": event.data,
        }
    )


def _id(*parts: str) -> str:
    return sha256("/".join(parts).encode()).hexdigest()
