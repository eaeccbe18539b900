"""One client of a run: it orders, updates, revokes and registers at random, one thing after the other."""

from __future__ import annotations

import asyncio
import random
import secrets
import string
import time
from collections.abc import Awaitable, Callable

import dns.asyncquery
import dns.exception
import dns.message
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.acme_client import Job, Unexpected, b64url, certificate_request
from tests.crash.client import PATIENCE, kind
from tests.crash.lab import Lab
from tests.crash.ledger import Account, Issued
from tests.server import DOMAIN, HOST

__all__ = ["Worker"]

_NAMES = 3
_LETTERS = string.ascii_letters + string.digits + "-_"
_ALREADY_REVOKED = "urn:ietf:params:acme:error:alreadyRevoked"


class Worker:
    """A client with an ACME account and some names, each with an account of the acme-dns API and a CNAME to it."""

    def __init__(self, lab: Lab, number: int, rng: random.Random) -> None:
        self._lab = lab
        self._ledger = lab.ledger
        self._number = number
        self._rng = rng
        self._client = lab.client(rng)
        self._names: dict[str, Account] = {}
        self._mine: list[str] = []

    async def work(self, stop: asyncio.Event) -> None:
        """Set up, and do one thing after the other until it is told to stop."""
        await self._client.open(self._lab.directory)
        for number in range(_NAMES):
            name = f"w{self._number}-{number}.{DOMAIN}"
            account = self._names[name] = await self._register()
            await self._edit(f"_acme-challenge.{name}", "CNAME", f"{account.subdomain}.auth.{DOMAIN}.", add=True)
        doings: dict[Callable[[], Awaitable[object]], int] = {
            self._issue: 9,
            self._issue_late: 2,
            self._update: 6,
            self._revoke: 3,
            self._register: 1,
            self._change_records: 2,
            self._make_account: 1,
        }
        while not stop.is_set():
            (do,) = self._rng.choices(list(doings), list(doings.values()))
            await do()

    async def finish(self) -> None:
        """Bring every order of the account to its end, those too that it was never told of (section 7.1.2.1)."""
        after = ""
        while urls := (await self._client.post(f"{self._client.kid}/orders{after}")).json()["orders"]:
            for url in urls:
                order = (await self._client.post(url)).json()
                if order["status"] != "valid":
                    await self._client.complete(url, order, self._job(order["identifiers"][0]["value"]))
                    self._ledger.counts["orders finished later"] += 1
            after = f"?after={urls[-1].rpartition('/')[2]}"

    async def close(self) -> None:
        """End the connection."""
        await self._client.close()

    async def _issue(self) -> None:
        name = self._rng.choice(list(self._names))
        self._note(name, await self._client.certificate(self._job(name)))

    async def _issue_late(self) -> None:
        """Ask for the check before the value is there, and only wait: the server alone remembers what it owes."""
        client, job = self._client, self._job(self._rng.choice(list(self._names)))
        identifiers = [{"type": "dns", "value": job.name}]
        made = await client.post(client.directory["newOrder"], {"identifiers": identifiers})
        authorization_url, challenge = await client.challenge(made.json())
        await client.post(challenge["url"], {})
        await client.set_value(challenge, job)
        await client.poll(authorization_url)
        self._note(job.name, await client.conclude(made.headers["location"], made.json(), job))

    def _note(self, name: str, chain: bytes) -> None:
        serial = f"{x509.load_pem_x509_certificate(chain).serial_number:x}"
        self._ledger.issued[serial] = Issued(chain, name, self._client.kid)
        self._mine.append(serial)
        self._ledger.counts["certificates"] += 1

    def _job(self, name: str) -> Job:
        account = self._names[name]
        return Job(name, certificate_request(name), account.headers, account.subdomain)

    async def _update(self) -> None:
        """Set values; each must be served as soon as it was taken."""
        account = self._rng.choice(list(self._names.values()))
        for _ in range(self._rng.randint(1, 3)):
            value = "".join(self._rng.choices(_LETTERS, k=43))
            body = msgspec.json.encode({"subdomain": account.subdomain, "txt": value})
            await self._client.request("POST", "/update", body, account.headers)
            self._ledger.counts["updates"] += 1
            port = self._rng.choice(self._lab.nodes).ports.dns
            served = await self._ask(f"{account.subdomain}.auth.{DOMAIN}", "TXT", port)
            if f'"{value}"' not in served:
                raise Unexpected(f"{account.subdomain}: {value} was taken, and DNS says {served}")

    async def _revoke(self) -> None:
        if not self._mine:
            return
        serial = self._mine.pop(self._rng.randrange(len(self._mine)))
        leaf = x509.load_pem_x509_certificate(self._ledger.issued[serial].chain)
        payload = {"certificate": b64url(leaf.public_bytes(Encoding.DER)), "reason": self._rng.choice((0, 3, 4, 5, 9))}
        try:
            await self._client.post(self._client.directory["revokeCert"], payload)
        except Unexpected as refusal:
            # Right only when the first try was heard and its answer lost.
            if not self._client.repeated or refusal.reply is None or kind(refusal.reply) != _ALREADY_REVOKED:
                raise
        self._ledger.revoked.add(serial)
        self._ledger.counts["revocations"] += 1

    async def _register(self) -> Account:
        told = (await self._client.request("POST", "/register", b"{}")).json()
        account = Account(told["username"], told["password"], told["subdomain"])
        self._ledger.txt_accounts[account.username] = account
        self._ledger.counts["registrations"] += 1
        return account

    async def _make_account(self) -> None:
        other = self._lab.client(self._rng)
        await other.open(self._lab.directory)
        await other.close()
        self._ledger.counts["ACME accounts"] += 1

    async def _change_records(self) -> None:
        """Add a record, or remove one."""
        name = f"r{self._number}.{DOMAIN}"
        there = [key for key, present in self._ledger.records.items() if present and key[0] == name]
        if there and self._rng.random() < 0.5:
            await self._edit(*there[0], add=False)
        else:
            await self._edit(name, "A", f"192.0.2.{secrets.randbelow(256)}", add=True)
        self._ledger.counts["changes of records"] += 1

    async def _edit(self, name: str, type_: str, data: str, *, add: bool) -> None:
        """Change a record; in time every node must know."""
        await self._lab.edit(name, type_, data, add=add)
        for node in self._lab.nodes:
            end = time.monotonic() + self._lab.lag
            await asyncio.sleep(min(self._lab.lag, 0.01))
            while (data in (served := await self._ask(name, type_, node.ports.dns))) != add:
                if time.monotonic() > end:
                    raise Unexpected(f"{name}: {data} was {'added' if add else 'removed'}, and DNS says {served}")
                await asyncio.sleep(0.05)

    async def _ask(self, name: str, type_: str, port: int) -> set[str]:
        """Ask DNS until there is an answer."""
        end = time.monotonic() + PATIENCE
        while True:
            query = dns.message.make_query(name, type_, use_edns=0, payload=1232)
            try:
                reply = await dns.asyncquery.udp(query, HOST, timeout=1.0, port=port)
            except (dns.exception.Timeout, OSError):
                if time.monotonic() > end:
                    raise
                await asyncio.sleep(0.1)
            else:
                if reply.rcode() != dns.rcode.SERVFAIL or time.monotonic() > end:
                    return {record.to_text() for rrset in reply.answer for record in rrset}
