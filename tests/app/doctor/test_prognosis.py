"""What the doctor says of a name before anybody orders it, on a server of its own with other settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.acme.client import Client, registered
from tests.acme.test_external_accounts import binding
from tests.web.lab import Lab, running, settings
from zonemint.acme import external_accounts
from zonemint.app.doctor.diagnosis import examine
from zonemint.app.doctor.finding import Finding, State
from zonemint.app.doctor.weak_spots import weak_spots
from zonemint.config import Acme, AcmeDns, Config, Dns, Limits, Profile, Provisioner, Seconds, Store, Validation
from zonemint.store.opening import open_store

NAME = "host.lab.test"
BOUND = "https://ca.lab.test/acme/bound"


async def looks(lab: Lab, *names: str, provisioner: str = "acme", account: str | None = None) -> dict[str, Finding]:
    """What is found of the names, and of the ACME server that is asked, by what it is about."""
    listen = replace(lab.config.listen, dns_port=lab.server.dns_port)
    config = replace(lab.config, listen=listen)
    db = await open_store("", lab.data.database)
    found = examine(config, lab.data, db, names, provisioner=provisioner, account=account)
    told = {finding.what: finding async for about, finding in found if about != config.external_url}
    await db.close()
    return told


async def test_caa_that_is_for_another_ca(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        await lab.delegate(NAME)
        assert (await looks(lab, NAME))["CAA"].state is State.OK
        await lab.add_record(NAME, "CAA", '0 issue "other.test"')
        found = await looks(lab, NAME)
        assert found["dns-01"].state is State.OK
        assert "other.test" in found["CAA"].seen
        assert found["a certificate"] == Finding.wrong(
            "a certificate", "would not be issued: CAA forbids it", "change the CAA record"
        )


async def test_caa_that_is_for_one_account_and_one_challenge(tmp_path: Path) -> None:
    async with running(tmp_path / "data") as lab:
        client = await registered(lab)
        await lab.delegate(NAME)
        value = f"ca.lab.test; accounturi={client.kid}; validationmethods=dns-01"
        await lab.add_record(NAME, "CAA", f'0 issue "{value}"')
        stranger = (await looks(lab, NAME))["CAA"]
        assert (stranger.state, "--account" in stranger.advice) == (State.NOTE, True)
        assert (await looks(lab, NAME, account=client.kid))["a certificate"].seen == "would be issued by dns-01"


async def test_a_record_that_stays_is_there_or_not(tmp_path: Path) -> None:
    config = replace(settings(), acme=Acme(challenges=("dns-persist-01", "dns-account-01")))
    async with running(tmp_path / "data", config) as lab:
        client = await registered(lab)
        assert client.kid is not None
        unknown = await looks(lab, NAME)
        for type_ in ("dns-persist-01", "dns-account-01"):
            assert "--account" in unknown[type_].seen
        missing = await looks(lab, NAME, account=client.kid)
        assert "add a TXT record" in missing["dns-persist-01"].seen
        assert f"zonemint register {NAME} --account {client.kid}" in missing["dns-account-01"].seen
        assert missing["a certificate"].state is State.WRONG
        permission = f"ca.lab.test; accounturi={client.kid}"
        await lab.add_record(f"_validation-persist.{NAME}", "TXT", f'"{permission}"')
        there = await looks(lab, NAME, account=client.kid.rpartition("/")[2])
        assert there["dns-persist-01"] == Finding.ok(
            "dns-persist-01", f"the record stands at _validation-persist.{NAME}"
        )
        assert there["a certificate"].seen == "would be issued by dns-persist-01"


async def test_what_accounts_need_and_what_theirs_is_for(tmp_path: Path) -> None:
    bound = Provisioner(external_account_required=True, networks=("127.0.0.0/8",), terms="https://lab.test/terms")
    config = replace(settings(), provisioners={"bound": bound})
    async with running(tmp_path / "data", config) as lab:
        found = await looks(lab, NAME, provisioner="bound")
        assert "none can be used" in found["new accounts"].seen
        assert "eab create --provisioner bound" in found["new accounts"].advice
        assert "127.0.0.0/8" in found["networks"].seen
        assert "https://lab.test/terms" in found["terms"].seen

        db = await open_store("", lab.data.database)
        key = external_accounts.new(
            "bound", label="", names=("web.lab.test",), uses=0, lifetime=None, by="test", now=lab.clock()
        )
        await db.write(external_accounts.create(key, actor="test"))
        await db.close()
        client = Client(lab, base=BOUND)
        made = await client.register(termsOfServiceAgreed=True, externalAccountBinding=binding(client, key))
        assert made.status == 201, made
        assert client.kid is not None
        found = await looks(lab, NAME, provisioner="bound", account=client.kid)
        assert "1 can be used" in found["new accounts"].seen
        assert found[f"the account {client.kid}"].state is State.OK
        assert "web.lab.test" in found["the account"].seen
        other = await looks(lab, NAME, account=client.kid)
        assert other[f"the account {client.kid}"].state is State.WRONG


WEAK: dict[str, Config] = {
    "acme.origins": settings(acme=Acme(origins=("*",))),
    "limits.pending_orders": settings(limits=Limits(pending_orders=0)),
    "acme.caa": settings(acme=Acme(caa={"lab.test": "off"})),
    "profiles.long": settings(profiles={"long": Profile(lifetime=Seconds(900 * 86400))}),
    "dns.recursion": settings(dns=Dns(recursion=("private", "::/0"))),
    "dns.rate_limit": settings(dns=Dns(rate_limit=0)),
    "acmedns.registration": settings(acmedns=AcmeDns(registration="open")),
    "acmedns.origins": settings(acmedns=AcmeDns(origins=("*",))),
    "acmedns.plain_http": settings(acmedns=AcmeDns(plain_http=True)),
    "acmedns.trusted_proxies": settings(acmedns=AcmeDns(trusted_proxies=("0.0.0.0/0",))),
    "validation.allow": settings(validation=Validation(allow=("127.0.0.0/8",))),
    "store.database": settings(store=Store("postgresql://zonemint@db.lab.test/zonemint")),
}


@pytest.mark.parametrize(("key", "config"), WEAK.items(), ids=WEAK)
def test_a_setting_that_opens_more_than_it_has_to(key: str, config: Config) -> None:
    (found,) = weak_spots(config)
    assert (found.state, key in found.seen) == (State.NOTE, True)


def test_settings_that_open_nothing() -> None:
    verified = Store("postgresql://zonemint@db.lab.test/zonemint?sslmode=verify-full")
    for config in (
        settings(),
        settings(store=verified),
        settings(validation=Validation(allow=("10.0.0.0/8",)), dns=Dns(rate_limit=0, allow=("private",))),
    ):
        (found,) = weak_spots(config)
        assert found.state is State.OK
