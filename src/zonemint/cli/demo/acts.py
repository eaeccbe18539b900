"""The acts of the demonstration; each of them checks what it shows."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import msgspec

from zonemint.app.dynamic import change
from zonemint.app.zone_list import auth_of, zone_of
from zonemint.cli.demo import evidence, steps, trust
from zonemint.cli.demo.lab import Lab
from zonemint.cli.demo.screen import Screen
from zonemint.cli.session import Session, run
from zonemint.clients.accounts import Account
from zonemint.config import Seconds, Validation, load, render
from zonemint.core.errors import NotHeld
from zonemint.store import records, txt

__all__ = ["play"]

_HURRY = Validation(attempts=2, interval=Seconds(1))


def play(lab: Lab, screen: Screen) -> None:
    """Play all acts; raises NotHeld at the first thing that does not hold."""
    first, apps, astray = (f"{label}.{lab.domain}" for label in ("server-1", "apps", "astray"))
    screen.say(f"In {lab.folder} and on 127.0.0.1, with {lab.programs.certbot}.")
    screen.act("From an empty folder to a certificate")
    with _up(lab, screen, lab.first_up()):
        _certificate(lab, screen, first)
        screen.act("Who trusts it")
        _trust(lab, screen, first)
        screen.act("A wildcard and its base name in one certificate")
        _wildcard(lab, screen, apps)
    screen.act("An order that fails says why")
    config = load(lab.data.config)
    lab.data.config.write_text(render(msgspec.structs.replace(config, validation=_HURRY)), encoding="utf-8")
    screen.say(
        f"The same folder again, with {_HURRY.attempts} attempts to validate instead of {config.validation.attempts}:"
    )
    with _up(lab, screen, lab.command("up")):
        _failure(lab, screen, astray, elsewhere=apps)


@contextmanager
def _up(lab: Lab, screen: Screen, words: Sequence[str]) -> Iterator[None]:
    screen.command(words)
    with lab.serving(words) as ready:
        screen.quote(ready)
        yield


def _certificate(lab: Lab, screen: Screen, name: str) -> None:
    _succeed(lab, screen, "certbot", lab.certbot_words(_register(lab, screen, name)))
    story, holding = evidence.story(lab, [name], until="download"), evidence.holding(lab, name)
    screen.say("The eleven steps, from the order's trace; the client at 127.0.0.1 is certbot with its hook:")
    began = story.event("registered").at
    for number, step in enumerate(steps.eleven(story, holding, auth_zone=auth_of(load(lab.data.config))), 1):
        screen.step(number, step, began)
    if story.event("finalize").at > story.event("valid").at:
        screen.say("6 came after 10: a CA takes the CSR when every name is valid (RFC 8555 section 7.4).")


def _trust(lab: Lab, screen: Screen, name: str) -> None:
    root, live = lab.data.pki / "root.crt", lab.live(name)
    screen.held("pyOpenSSL, X509_STRICT", trust.verify(root, live / "fullchain.pem"))
    if (words := trust.openssl_words(root, live)) is not None:
        done = lab.run(words)
        if done.returncode:
            raise NotHeld(f"openssl verify -x509_strict refuses: {done.stderr.strip()}")
        screen.held("openssl verify -x509_strict", done.stdout.rpartition(": ")[2].strip())
    foreign = f"not-{lab.domain}"
    screen.held("our CA, misused for others", f"{foreign} is refused: {trust.refuse_trespass(lab.data.pki, foreign)}")
    screen.held("TLS, trusting only the root", trust.connect(live, name, root))
    screen.held("TLS, not knowing the root", f"refused: {trust.refuse_stranger(live, name)}")


def _wildcard(lab: Lab, screen: Screen, base: str) -> None:
    names = [base, f"*.{base}"]
    _succeed(lab, screen, "certbot", lab.certbot_words(_register(lab, screen, base), "-d", names[1]))
    story, holding = evidence.story(lab, names, until="download"), evidence.holding(lab, base)
    fulldomain = holding.account.fulldomain
    registered = {event.detail.rpartition(" ")[2] for event in story.all("registered")}
    if registered != {fulldomain}:
        raise NotHeld(
            f"the names were answered by {', '.join(sorted(registered)) or 'no account'}, not by {fulldomain}"
        )
    screen.held("one account", fulldomain)
    answers = [query.values(fulldomain, "TXT") for query in story.queries()]
    both = next((values for values in answers if len(values) == len(names)), None)
    if both is None or len(story.all("valid")) != len(names):
        raise NotHeld(f"the CA found {len(story.all('valid'))} names valid, and these values: {answers}")
    screen.held("two TXT values, side by side", ", ".join(both))
    if sorted(certified := trust.names_of(holding.certificate)) != sorted(names):
        raise NotHeld(f"the certificate is for {', '.join(certified)}")
    root, live = lab.data.pki / "root.crt", lab.live(base)
    screen.held("pyOpenSSL, X509_STRICT", trust.verify(root, live / "fullchain.pem"))
    for what, host in (("TLS to the base name", base), ("TLS to a name below it", f"grafana.{base}")):
        screen.held(what, f"{host}: {trust.connect(live, host, root)}")


def _failure(lab: Lab, screen: Screen, name: str, *, elsewhere: str) -> None:
    registered = _register(lab, screen, name)
    mine, other = evidence.account(lab, name), evidence.account(lab, elsewhere)
    run(lab.data.path, lambda session: _lead(session, f"_acme-challenge.{name}", other.fulldomain))
    screen.say(f"Then somebody makes _acme-challenge.{name} lead to the account of {elsewhere}.")
    if _run(lab, screen, lab.certbot_words(registered)).returncode == 0:
        raise NotHeld("certbot got a certificate for a name that it could not prove")
    story = evidence.story(lab, [name], until="invalid")
    words = lab.command("orders", "explain", story.order.id)
    screen.command(words)
    screen.quote(lab.run(words).stdout)
    if story.order.status != "invalid":
        raise NotHeld(f"the order is {story.order.status}, not invalid")
    took = story.event("invalid").at - story.event("challenge").at
    bound = _HURRY.attempts * (_HURRY.timeout + _HURRY.interval)
    if took > bound:
        raise NotHeld(f"the order was invalid after {took:.1f} s, not within {bound:.0f} s")
    screen.held("invalid within the bound", f"{took:.1f} s of {bound:.0f} s")
    facts = {
        "the query": [f"TXT _acme-challenge.{name}"],
        "the server asked": [lab.resolver],
        "what was seen": run(lab.data.path, lambda session: _values(session, other)),
        "what was expected": run(lab.data.path, lambda session: _values(session, mine)),
    }
    for what, texts in facts.items():
        if not texts or any(text not in story.problem for text in texts):
            raise NotHeld(f"the order's detail does not name {what}, {', '.join(texts)}: {story.problem}")
        screen.held(f"it names {what}", ", ".join(texts))


def _register(lab: Lab, screen: Screen, name: str) -> str:
    """Register a name and return the certbot line that this prints."""
    words = lab.command("register", name.removesuffix(f".{lab.domain}"), "--for", "certbot")
    return _succeed(lab, screen, "zonemint register", words).stdout.strip()


def _succeed(lab: Lab, screen: Screen, what: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a program that must succeed; what it says is shown when it does not."""
    done = _run(lab, screen, words)
    if done.returncode:
        screen.quote(f"{done.stdout}{done.stderr}")
        raise NotHeld(f"{what} ended with status {done.returncode}; what it said stands above")
    return done


def _run(lab: Lab, screen: Screen, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    screen.command(words)
    began = time.perf_counter()
    done = lab.run(words)
    screen.quote(f"status {done.returncode} after {time.perf_counter() - began:.1f} s")
    return done


async def _lead(session: Session, alias: str, target: str) -> None:
    """Make an alias of ours lead to another target."""
    zone = zone_of(session.config, session.data, alias)
    assert zone is not None
    old = await session.db.read(records.at(zone, alias, "CNAME"))
    new = [msgspec.structs.replace(record, data=f"{target}.", created_by="zonemint demo") for record in old]
    await change(session.db, session.config, session.data, zone, actor=session.actor, add=new, remove=old)


async def _values(session: Session, account: Account) -> list[str]:
    return [one.value for one in await session.db.read(txt.values(account.subdomain))]
