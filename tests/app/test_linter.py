"""The linter's process, what is remembered of it, and that nothing is signed without it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.acme.client import Client, csr_of, registered
from tests.acme.signing import b64url
from tests.pki.conftest import Ca, ca
from tests.web.lab import running, settings
from zonemint.app.linter import Linter
from zonemint.app.vetting import vet
from zonemint.config import Issuance
from zonemint.core.errors import ConfigError, IssuanceError
from zonemint.pki import authority, hierarchy, issue, keys, lint, profiles
from zonemint.pki.authority import Authority
from zonemint.pki.issuer import Issuer
from zonemint.pki.keys import FileSigner
from zonemint.pki.lint import Pair
from zonemint.pki.serials import new_serial

__all__ = ["ca"]

NAME = "linted.lab.test"
P384 = ec.generate_private_key(ec.SECP384R1())


@pytest.fixture
def sound(ca: Ca) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return lint.stand_in(
        issue.prepare(ca.template, names=[NAME], ips=[], public_key=key, serial=new_serial(), now=ca.now)
    )


@pytest.fixture
def flawed(sound: Pair) -> Pair:
    """A certificate that names itself as its issuer."""
    return replace_issuer(sound)


def replace_issuer(pair: Pair) -> Pair:
    return pair._replace(issuer=pair.certificate)


def never() -> Pair:
    raise AssertionError("a shape that is known is made again")


def always(pair: Pair) -> Callable[[], Pair]:
    return lambda: pair


async def test_a_sound_shape_is_linted_once(sound: Pair) -> None:
    linter = Linter()
    assert await linter.objection("shape", always(sound)) == ""
    assert await linter.objection("shape", never) == ""


async def test_a_flaw_is_told_and_not_remembered(sound: Pair, flawed: Pair) -> None:
    linter = Linter()
    assert "issuer_name: the issuer's name is not" in await linter.objection("shape", always(flawed))
    assert await linter.objection("shape", always(sound)) == ""


async def test_several_in_one_run_have_their_own_findings(sound: Pair, flawed: Pair) -> None:
    linter = Linter()
    first, second, third = await linter.objections({1: sound, 2: flawed, 3: sound})
    assert (first, third) == ("", "")
    assert "issuer_name" in second


async def test_what_cannot_be_made_cannot_be_signed() -> None:
    def fail() -> Pair:
        raise IssuanceError("there is no such key")

    assert await Linter().objection("shape", fail) == "there is no such key"


async def test_a_linter_that_is_broken_lets_nothing_through(
    sound: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linter = Linter()
    for script, said in (
        ("exit 1", "failed"),
        ("echo '[]'", "failed"),
        ("echo '[[]]'; exit 3", "failed"),
        ("", "failed"),
    ):
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\ncat > /dev/null\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(program))
        assert said in await linter.objection("shape", always(sound))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "missing"))
    assert "cannot be started" in await linter.objection("shape", always(sound))
    monkeypatch.undo()
    assert await linter.objection("shape", always(sound)) == ""


async def test_the_process_is_ours_whatever_the_current_folder_has(
    sound: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pkilint.py").write_text("raise SystemExit('not ours')")
    (tmp_path / "zonemint.py").write_text("raise SystemExit('not ours')")
    before = os.getcwd()
    monkeypatch.chdir(tmp_path)
    assert await Linter().objection("shape", always(sound)) == ""
    assert os.getcwd() != before


async def test_an_order_of_a_shape_that_cannot_be_linted_ends_invalid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        _, order = await client.ready_order(NAME)
        monkeypatch.setattr(sys, "executable", "/bin/false")
        done = await finalized(client, order["finalize"], P384)
        assert done["status"] == "invalid"
        assert done["error"]["type"] == "urn:ietf:params:acme:error:serverInternal"
        assert done["error"]["detail"].startswith("the CA does not sign what a linter refuses: the linter failed")
        assert "certificate" not in done
        # A shape that the start has linted needs no linter.
        _, order = await client.ready_order(NAME)
        assert (await finalized(client, order["finalize"]))["status"] == "valid"
        monkeypatch.undo()
        _, order = await client.ready_order(NAME)
        assert (await finalized(client, order["finalize"], P384))["status"] == "valid"


async def finalized(client: Client, url: str, key: ec.EllipticCurvePrivateKey | None = None) -> dict[str, Any]:
    done: dict[str, Any] = (await client.post(url, {"csr": b64url(csr_of(NAME, key=key))})).json()
    return done


async def test_a_server_whose_linter_is_broken_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises((ConfigError, IssuanceError), match="the linter failed"):
        async with running(tmp_path / "data"):
            raise AssertionError
    async with running(tmp_path / "off", settings(issuance=Issuance(lint=False))) as lab:
        client = await registered(lab)
        _, order = await client.ready_order(NAME)
        assert (await finalized(client, order["finalize"]))["status"] == "valid"


async def test_a_server_whose_profiles_pkilint_refuses_does_not_start(tmp_path: Path) -> None:
    """As it happens below an intermediate that somebody else made: this one has no name (RFC 5280 section 4.1.2.4)."""

    def nameless(ca: Authority) -> Authority:
        key, now = keys.generate(), time.time()
        made = hierarchy.ca_builder(ca.root, "Odd", key.public_key(), now=now, not_after=now + 9e6, path_length=0)
        builder = x509.CertificateBuilder(
            made._issuer_name,
            x509.Name([]),
            made._public_key,
            made._serial_number,
            made._not_valid_before,
            made._not_valid_after,
            made._extensions,
        )
        root = FileSigner(keys.load_key(tmp_path / "data/pki/root.key"))
        return replace(ca, issuers=(Issuer(((root.sign_certificate(builder), ca.root),), FileSigner(key)),))

    with pytest.raises((ConfigError, IssuanceError), match=r"linter refuses.*: pkix\.name_empty"):
        async with running(tmp_path / "data", refit=nameless):
            raise AssertionError
    issuer = nameless(authority.load(tmp_path / "data/pki", now=time.time())).current
    made = issue.template(issuer, profiles.DEFAULT, crl_url=None, issuer_url=None)
    with pytest.raises(ConfigError, match=r"profiles\.default: the linter refuses its certificates: pkix\.name_empty"):
        await vet(Linter(), [made], domain="lab.test", own=(made, [NAME], []), now=time.time())
