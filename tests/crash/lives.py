"""The two lives of a server and its client: one that ends at a commit, and one that goes on from what is left."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import uvloop
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.acme import signing
from tests.acme.client import Client
from tests.app.nodes import Nodes
from tests.crash.dying import Death, install
from tests.web.lab import DOMAIN, Clock, Lab, running, settings
from zonemint.app.examination import examine
from zonemint.config import Store, Validation
from zonemint.config.values import Seconds
from zonemint.pki.authority import Authority
from zonemint.pki.keys import Signer
from zonemint.store.transfer.opening import snapshot

__all__ = ["NAME", "Course", "Life", "first", "reckon", "second", "serving"]

NAME = f"server-1.{DOMAIN}"


class Course(Enum):
    """When the client sets the value that proves control."""

    PROMPT = "before it says that it is prepared"
    LATE = "while the validation is tried again"
    NEVER = "never"


@dataclass(frozen=True)
class Life:
    """What both lives have: the folder, the database's URL if it is one, the client's keys, and its notes."""

    folder: Path
    database: str
    course: Course
    keyless: bool
    account_key: bytes
    csr: bytes
    txt: dict[str, str]

    @property
    def signatures(self) -> Path:
        """Every certificate that the CA's key ever signed, as DER in hex, a line each."""
        return self.folder.with_name("signatures")

    @property
    def notes(self) -> Path:
        """What the client was told, a line of JSON each."""
        return self.folder.with_name("notes")

    def told(self, what: str) -> list[str]:
        """Return what the client was told of one kind, oldest first."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [text for kind, text in map(json.loads, lines) if kind == what]

    def note(self, what: str, text: str) -> None:
        """Write down what the client was told."""
        _append(self.notes, json.dumps([what, text]))

    def signed(self) -> list[bytes]:
        """Return every certificate that was signed, in DER."""
        return [bytes.fromhex(line) for line in self.signatures.read_text().splitlines()]


@dataclass(frozen=True)
class Recording:
    """The CA's key, and a list of what it signed that no crash can shorten."""

    key: Signer
    file: Path

    def sign_certificate(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        certificate = self.key.sign_certificate(builder)
        _append(self.file, certificate.public_bytes(Encoding.DER).hex())
        return certificate

    def __getattr__(self, name: str) -> Any:
        return getattr(self.key, name)


@asynccontextmanager
async def serving(life: Life, *, later: float = 0) -> AsyncIterator[Nodes]:
    """Start the server, or both nodes where one does without the CA's key; their clock is `later` seconds ahead."""

    def recorded(authority: Authority) -> Authority:
        return authority.with_key(authority.current.key and Recording(authority.current.key, life.signatures))

    def without_key(authority: Authority) -> Authority:
        return authority.with_key(None)

    never = life.course is Course.NEVER
    validation = Validation(attempts=8 if never else 50, interval=Seconds(0.05), timeout=Seconds(0.5))
    config, clock = settings(store=Store(life.database), validation=validation), Clock(later)
    async with AsyncExitStack() as stack:
        each: list[Lab] = []
        for number in range(1 + life.keyless):
            folder = life.folder / f"node-{number}"
            if each and not folder.exists():
                shutil.copytree(each[0].data.pki, folder / "pki", ignore=shutil.ignore_patterns("server.*"))
                (folder / "zones").mkdir()
            node = running(folder, config, clock=clock, refit=without_key if each else recorded)
            each.append(await stack.enter_async_context(node))
        one = each[0]
        # Requests go to the last one, which is the one without the key.
        yield Nodes(one.server, one.config, one.data, one.authority, clock, one.tls, dict(life.txt), each=each[-1:])


def first(life: Life, death: Death) -> None:
    """Serve one order until the death that is near; to be run in a process of its own, which may survive it."""
    install(death)

    async def live() -> None:
        async with serving(life) as lab:
            death.armed = True
            await _pursue(life, Client(lab, _signer(life)))
            death.armed = False

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())


async def second(life: Life) -> None:
    """Go on with the order from wherever it stands, and hold everything against everything."""
    # Other nodes wait until what a dead one was at is free; a test need not.
    async with serving(life, later=60) as lab:
        client = Client(lab, _signer(life))
        await _pursue(life, client)
        await reckon(life, lab, client)


async def reckon(life: Life, lab: Lab, client: Client) -> None:
    """Nothing is stuck, signed twice, given out unrecorded, or in contradiction to anything else."""
    (order,) = {(await client.post(url)).json()["status"] for url in life.told("order")}
    assert order == ("invalid" if life.course is Course.NEVER else "valid")
    stored = dict(lab.rows("SELECT serial, der FROM certificates WHERE order_id IS NOT NULL"))
    given = set(life.told("certificate"))
    assert len(given) == len(stored) == (life.course is not Course.NEVER), "one order, one certificate"
    ders = [x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER) for pem in given]
    assert ders == [bytes(der) for der in stored.values()], "what was given out is what is recorded"
    signed = life.signed()
    assert set(ders) <= set(signed)
    serials = [x509.load_der_x509_certificate(der).serial_number for der in signed]
    assert len(set(serials)) == len(serials), "two signatures share a serial"
    assert lab.rows("SELECT * FROM validations") == lab.rows("SELECT * FROM signings") == []
    async with snapshot(life.database, lab.data.database) as store:
        verdicts = [one async for one in examine(store, every=True, progress=lambda *_: None)]
    assert [one for one in verdicts if one.wrong] == []
    # An order that the client was never told of ends too.
    lab.clock.offset = 40 * 86400
    listed = (await client.post(f"{client.kid}/orders")).json()["orders"]
    assert set(life.told("order")) <= set(listed)
    assert {(await client.post(url)).json()["status"] for url in listed} <= {"valid", "invalid"}


async def _pursue(life: Life, client: Client) -> None:
    """Do all that a client does who was cut off anywhere, and note what it is told."""
    await client.register()
    orders = life.told("order")
    if not orders:
        url = (await client.order(NAME)).header("Location")
        assert url is not None
        life.note("order", url)
        orders = [url]
    async with asyncio.timeout(60):
        while (order := (await client.post(orders[0])).json())["status"] not in ("valid", "invalid"):
            match order["status"]:
                case "pending":
                    await _prove(life, client, order["authorizations"])
                case "ready":
                    await client.post(order["finalize"], {"csr": signing.b64url(life.csr)})
            await asyncio.sleep(0.01)
    if order["status"] == "valid":
        chain = await client.post(order["certificate"])
        assert chain.status == 200, chain
        life.note("certificate", chain.body.decode().partition("-----END CERTIFICATE-----")[0] + _END)


async def _prove(life: Life, client: Client, authorizations: list[str]) -> None:
    for url in authorizations:
        challenge = await client.challenge(url)
        if life.course is Course.PROMPT:
            await client.publish(challenge)
        if challenge["status"] == "pending":
            challenge = (await client.post(challenge["url"], {})).json()
        if life.course is Course.LATE:
            await client.publish(challenge)


_END = "-----END CERTIFICATE-----\n"


def _signer(life: Life) -> signing.Signer:
    key = load_pem_private_key(life.account_key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return signing.of(key)


def _append(file: Path, line: str) -> None:
    # One system call, which is not undone by what happens next.
    with file.open("ab", buffering=0) as out:
        out.write(f"{line}\n".encode())
