"""Would a certificate for a name be issued, and if not, why?

The CA's own checks run with a claim that nobody made. A challenge that fails since nobody has answered it yet is as
good as can be before an order; one whose place does not exist, or cannot be reached, will fail then, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from zonemint.acme import external_accounts
from zonemint.acme.context import Provisioner
from zonemint.acmedns.scope import objection
from zonemint.app.doctor.finding import Finding
from zonemint.config import Config
from zonemint.core.errors import AcmeErrorType
from zonemint.core.hosts import is_address
from zonemint.core.ids import new_id
from zonemint.core.names import is_within, parent
from zonemint.core.trace import Event
from zonemint.store import external_keys, txt
from zonemint.store.accounts import Account
from zonemint.store.database import Database
from zonemint.validation.caa import Applicant, Caa
from zonemint.validation.method import Claim, Method, offered
from zonemint.validation.outcome import Outcome

__all__ = ["Prognosis"]

_NOT_ANSWERED_YET = frozenset({AcmeErrorType.UNAUTHORIZED, AcmeErrorType.INCORRECT_RESPONSE})
_OF_ACCOUNT = frozenset({"dns-account-01", "dns-persist-01"})  # where they look, and for what, an account's URL says
_NAME_IT = "name the account that would order, with --account"


@dataclass(frozen=True, slots=True)
class Prognosis:
    """Looks at names as a provisioner does, for an account of it or, without one, for whoever may come."""

    config: Config
    db: Database
    provisioner: Provisioner
    caa: Caa
    account: Account | None = None

    async def of(self, name: str) -> AsyncIterator[Finding]:
        """Look at one name (normalized, `*.` allowed) or address, and end with what would become of an order."""
        kind = "ip" if is_address(name) else "dns"
        refusal = self.provisioner.policy.refusal(kind, name)
        if refusal is not None:
            yield Finding.wrong("policy", refusal, "order another name, or change what the provisioner allows")
            return
        yield Finding.ok("policy", "it may be ordered")
        if (outside := await self._outside_scope(kind, name)) is not None:
            yield Finding.wrong("the account", outside, "make an account with another key: zonemint eab create --names")
            return
        methods = offered(self.provisioner.methods.values(), kind, wildcard=name.startswith("*."))
        good: list[str] = []
        for method in methods:
            obstacle, place = await self._try(method, kind, name)
            if obstacle:
                yield Finding.note(method.type, obstacle)
            else:
                yield Finding.ok(method.type, place)
                good.append(method.type)
        if kind == "dns" and methods:
            permitted, finding = await self._permitted(name, good or [method.type for method in methods])
            yield finding
            if good and not permitted:
                yield Finding.wrong("a certificate", "would not be issued: CAA forbids it", "change the CAA record")
                return
            good = [one for one in good if one in permitted]
        yield self._end(methods, good)

    def _end(self, methods: list[Method], good: list[str]) -> Finding:
        what = "a certificate"
        if good:
            return Finding.ok(what, f"would be issued by {' or '.join(good)}")
        if methods:
            types = ", ".join(method.type for method in methods)
            seen = f"would not be issued: no client can meet {types}"
            return Finding.wrong(what, seen, "do what is said above of one")
        seen = f"would not be issued: none of {', '.join(self.provisioner.methods)} proves such a name"
        return Finding.wrong(what, seen, "add one that does to acme.challenges")

    @property
    def _account_url(self) -> str:
        return self.provisioner.urls.account("..." if self.account is None else self.account.id)

    async def _outside_scope(self, kind: str, name: str) -> str | None:
        """Say why the account's key for external accounts is not for a name, if it has one."""
        if self.account is None or self.account.external_key is None:
            return None
        patterns = await self.db.read(external_keys.names_of(self.account.external_key))
        return external_accounts.refusal(patterns)(kind, name)

    async def _try(self, method: Method, kind: str, name: str) -> tuple[str, str]:
        """Say in a sentence why no client could meet a challenge, or nothing and where its answer is looked for."""
        if method.type in _OF_ACCOUNT and self.account is None:
            return f"it looks for what is of one account: {_NAME_IT}", ""
        claim = Claim(
            identifier_type=kind,
            value=name.removeprefix("*."),
            wildcard=name.startswith("*."),
            token=new_id() if method.has_token else "",
            thumbprint=new_id(),
            account_url=self._account_url,
        )
        outcome = await method.check(claim, _untold)
        if outcome.error is not None and (not method.has_token or outcome.error not in _NOT_ANSWERED_YET):
            return outcome.detail, ""
        if objected := await self.db.read(objection(self.config.auth_zones, outcome.names)):
            return objected, ""
        if method.has_token and (why := self._out_of_reach(outcome, method, claim)):
            return why, ""
        return "", await self._place(outcome, method)

    def _out_of_reach(self, outcome: Outcome, method: Method, claim: Claim) -> str:
        """Say why nobody can set a value where it is looked for, or nothing."""
        last = outcome.names[-1] if outcome.names else ""
        if "acmedns" not in self.config.roles or not any(is_within(last, zone) for zone in self.config.domains):
            return ""
        if any(is_within(last, zone) for zone in self.config.auth_zones):
            return ""
        of = f" --account {claim.account_url}" if method.type in _OF_ACCOUNT else ""
        return (
            f"{last} is in our zone and no alias, so that no client can set a value: "
            f"on the server, zonemint register {claim.value}{of}"
        )

    async def _place(self, outcome: Outcome, method: Method) -> str:
        """Say where the client's answer will be looked for."""
        if not outcome.names:
            return "the host is reached, and its client answers there while the order lasts"
        last = outcome.names[-1]
        if not method.has_token:
            return f"the record stands at {last}"
        if parent(last) in self.config.auth_zones:
            account = await self.db.read(txt.by_subdomain(last.partition(".")[0]))
            if account is not None:
                return f"{outcome.names[0]} leads to {last}, where the account {account.username} sets the value"
        return f"the value is looked for at {last}"

    async def _permitted(self, name: str, types: list[str]) -> tuple[list[str], Finding]:
        """Return those challenges by which CAA lets us issue, and what to say of it."""
        looked = [(type_, await self.caa.check(name, Applicant(self._account_url, type_), _untold)) for type_ in types]
        permitted = [type_ for type_, outcome in looked if outcome.error is None]
        if len(permitted) == len(looked):
            return permitted, Finding.ok("CAA", looked[0][1].detail)
        refused = next(outcome.detail for _, outcome in looked if outcome.error is not None)
        advice = "" if self.account is not None else f"if its record has an accounturi, {_NAME_IT}"
        return permitted, Finding.note("CAA", refused, advice)


def _untold(_: Event) -> None:
    """Keep no story: what is found is told at once."""
