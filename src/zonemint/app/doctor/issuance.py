"""Would a certificate for a name be issued, and if not, why?

The CA's own checks run with a claim that nobody made. A challenge that fails since nobody has answered it yet is as
good as can be before an order; one whose place does not exist, or cannot be reached, will fail then, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from zonemint.acmedns.scope import objection
from zonemint.app.doctor.finding import Finding
from zonemint.config import Config
from zonemint.core.errors import AcmeErrorType
from zonemint.core.ids import new_id
from zonemint.core.names import is_within, parent
from zonemint.core.ports import is_address
from zonemint.pki.policy import Policy
from zonemint.store import txt
from zonemint.store.database import Database
from zonemint.validation.method import Claim, Method, offered
from zonemint.validation.outcome import Outcome

__all__ = ["Prognosis"]

_NOT_ANSWERED_YET = frozenset({AcmeErrorType.UNAUTHORIZED, AcmeErrorType.INCORRECT_RESPONSE})


@dataclass(frozen=True, slots=True)
class Prognosis:
    """Looks at names as a provisioner does that has this policy and these methods."""

    config: Config
    db: Database
    policy: Policy
    methods: Mapping[str, Method]

    async def of(self, name: str) -> AsyncIterator[Finding]:
        """Look at one name (normalized, `*.` allowed) or address, and end with what would become of an order."""
        kind = "ip" if is_address(name) else "dns"
        refusal = self.policy.refusal(kind, name)
        if refusal is not None:
            yield Finding.wrong("policy", refusal, "order another name, or change what the provisioner allows")
            return
        yield Finding.ok("policy", "it may be ordered")
        wildcard = name.startswith("*.")
        methods = offered(self.methods.values(), kind, wildcard=wildcard)
        good: list[str] = []
        for method in methods:
            claim = Claim(kind, name.removeprefix("*."), wildcard, new_id() if method.has_token else "", new_id(), "")
            outcome = await method.check(claim, lambda event: None)
            if obstacle := await self._obstacle(outcome):
                yield Finding.note(method.type, obstacle)
            else:
                yield Finding.ok(method.type, await self._place(outcome))
                good.append(method.type)
        what = "a certificate"
        if good:
            yield Finding.ok(what, f"would be issued by {' or '.join(good)}")
        elif methods:
            types = ", ".join(method.type for method in methods)
            yield Finding.wrong(
                what, f"would not be issued: no client can meet {types}", "do what is said above of one"
            )
        else:
            seen = f"would not be issued: none of {', '.join(self.methods)} proves such a name"
            yield Finding.wrong(what, seen, "add one that does to acme.challenges")

    async def _obstacle(self, outcome: Outcome) -> str:
        """Say in a sentence why no client could meet a challenge, or nothing."""
        if outcome.error is not None and outcome.error not in _NOT_ANSWERED_YET:
            return outcome.detail
        if objected := await self.db.read(objection(self.config.auth_zones, outcome.names)):
            return objected
        last = outcome.names[-1] if outcome.names else ""
        if "acmedns" in self.config.roles and any(is_within(last, zone) for zone in self.config.domains):
            if any(is_within(last, zone) for zone in self.config.auth_zones):
                return ""
            return (
                f"{last} is in our zone and no alias, so that no client can set a value: "
                f"on the server, zonemint register {outcome.names[0].partition('.')[2]}"
            )
        return ""

    async def _place(self, outcome: Outcome) -> str:
        """Say where the client's answer will be looked for."""
        if not outcome.names:
            return "the host is reached, and its client answers there while the order lasts"
        last = outcome.names[-1]
        if parent(last) in self.config.auth_zones:
            account = await self.db.read(txt.by_subdomain(last.partition(".")[0]))
            if account is not None:
                return f"{outcome.names[0]} leads to {last}, where the account {account.username} sets the value"
        return f"the value is looked for at {last}"
