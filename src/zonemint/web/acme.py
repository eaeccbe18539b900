"""The ACME resources over HTTP (RFC 8555): one handler for each, with its status and headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from zonemint.acme import accounts, authorizations, challenges, finalize, orders, renewal, revocation, states
from zonemint.acme.context import Acme, Provisioner
from zonemint.acme.requests import ByAccount, Request, authenticate, authenticate_account, authenticate_key
from zonemint.acme.validator import Validator
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.store.orders import Order
from zonemint.web import problems
from zonemint.web.cors import CrossOrigin
from zonemint.web.dispatch import Route
from zonemint.web.endpoint import Call, Endpoint, Handler, OnError, Sources, WrongMediaType
from zonemint.web.reply import Reply

__all__ = ["AcmeResources"]

_RETRY_AFTER = "1"  # seconds until a client should look again at what is under way
_EXPOSED = "Link, Location, Replay-Nonce, Retry-After"  # what a script needs that runs an order
_RENEWAL_INFO_AGE = 300  # seconds for which a cache may give the same answer: a revocation is heard of that late


class AcmeResources:
    """The handlers of all provisioners; `sources` tells the clients' addresses.

    `origins` are the web sites whose scripts may use ACME from a browser (RFC 8555 section 6.1).
    """

    def __init__(self, acme: Acme, validator: Validator, sources: Sources, *, origins: Sequence[str] = ()) -> None:
        self._origins = origins
        self._acme = acme
        self._validator = validator
        self._sources = sources

    def routes(self) -> list[Route]:
        """Return the table of URLs, the busiest first."""
        base = "/acme/{provisioner}"
        return [
            self._nonced(f"{base}/new-nonce", {"GET": self._new_nonce}),
            self._signed(f"{base}/new-order", self._new_order),
            self._signed(f"{base}/authz/{{id}}", self._authorization),
            self._signed(f"{base}/challenge/{{id}}/{{type}}", self._challenge),
            self._signed(f"{base}/order/{{id}}", self._order),
            self._signed(f"{base}/order/{{id}}/finalize", self._finalize),
            self._signed(f"{base}/certificate/{{serial}}", self._certificate),
            self._signed(f"{base}/certificate/{{serial}}/{{chain}}", self._certificate),
            self._signed(f"{base}/new-account", self._new_account),
            self._signed(f"{base}/account/{{id}}", self._account),
            self._signed(f"{base}/account/{{id}}/orders", self._orders),
            self._signed(f"{base}/key-change", self._key_change),
            self._signed(f"{base}/revoke-cert", self._revoke),
            self._open(f"{base}/directory", self._directory),
            self._open(f"{base}/terms", self._terms),
            self._open(f"{base}/renewal-info/{{name}}", self._renewal_info),
        ]

    # Unsigned resources

    async def _directory(self, call: Call) -> Reply:
        provisioner = self._provisioner(call)
        urls = provisioner.urls
        directory = {
            "newNonce": urls.to("new-nonce"),
            "newAccount": urls.to("new-account"),
            "newOrder": urls.to("new-order"),
            "revokeCert": urls.to("revoke-cert"),
            "keyChange": urls.to("key-change"),
            "renewalInfo": urls.to("renewal-info"),
            "meta": {"caaIdentities": self._acme.caa.identities, **_meta(provisioner)},
        }
        return _json(directory)

    async def _renewal_info(self, call: Call) -> Reply:
        """Anybody may ask and anybody may keep the answer, so it has no nonce (RFC 9773 section 4)."""
        provisioner = self._provisioner(call)
        told = await self._acme.db.read(renewal.information(call.path["name"], self._acme.replaced))
        reply = _json(told.render())
        reply.add("Retry-After", str(told.retry_after))
        reply.add("Cache-Control", f"public, max-age={min(_RENEWAL_INFO_AGE, told.retry_after)}")
        reply.add("Link", f'<{provisioner.urls.to("directory")}>;rel="index"')
        return reply

    async def _terms(self, call: Call) -> Reply:
        """What a person reads whom a client sends here, since the terms have changed (RFC 8555 section 7.3.3)."""
        provisioner = self._provisioner(call)
        if not provisioner.terms:
            raise AcmeError(AcmeErrorType.MALFORMED, "this ACME server has no terms of service", status=404)
        return Reply(
            f"The terms of service of this CA: {provisioner.terms}\n\n"
            "An account that is made agrees to them in its client, such as `certbot --agree-tos`.\n"
            "For an account that agreed to others before, read them, and tell the administrator of the CA that you\n"
            "agree: `zonemint accounts agree ID` notes it, and your client goes on.\n",
            media_type="text/plain; charset=utf-8",
        )

    async def _new_nonce(self, call: Call) -> Reply:
        self._provisioner(call)
        return Reply(status=200 if call.method == "HEAD" else 204)

    # Signed resources

    async def _new_account(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_key(self._acme, request)
        found = await accounts.find_or_make(self._acme, request.provisioner, signed, request.url, call.source)
        location = request.provisioner.urls.account(found.account.id)
        rendered = accounts.render(request.provisioner, found.account)
        return _json(rendered, 201 if found.created else 200, Location=location)

    async def _account(self, call: Call, request: Request) -> Reply:
        signed = await self._owner(call, request)
        account = await accounts.update(self._acme, signed.account, signed.payload, call.source)
        return _json(
            accounts.render(request.provisioner, account), Location=request.provisioner.urls.account(account.id)
        )

    async def _orders(self, call: Call, request: Request) -> Reply:
        signed = await self._owner(call, request)
        _expect_no_payload(signed)
        after = parse_qs(call.query).get("after", [""])[0]
        page, following = await accounts.order_page(self._acme, request.provisioner, signed.account, after)
        reply = _json(page)
        if following:
            reply.add("Link", f'<{following}>;rel="next"')
        return reply

    async def _key_change(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        account = await accounts.change_key(self._acme, request.provisioner, signed, request.url, call.source)
        return _json(
            accounts.render(request.provisioner, account), Location=request.provisioner.urls.account(account.id)
        )

    async def _new_order(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        order = await orders.new(self._acme, request.provisioner, signed.account, signed.payload, call.source)
        return self._shown_order(request.provisioner, order, 201)

    async def _order(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        _expect_no_payload(signed)
        order = await orders.find(self._acme, request.provisioner, signed.account, call.path["id"])
        return self._shown_order(request.provisioner, order)

    async def _finalize(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        order = await finalize.finalize(self._acme, request.provisioner, signed, call.path["id"], call.source)
        return self._shown_order(request.provisioner, order)

    async def _authorization(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        authorization = await authorizations.find(self._acme, signed.account, call.path["id"])
        authorization = await authorizations.update(
            self._acme, request.provisioner, authorization, signed.payload, call.source
        )
        reply = _json(authorizations.render(request.provisioner, authorization))
        if any(one.status == states.Challenge.PROCESSING for one in authorization.challenges):
            reply.add("Retry-After", _RETRY_AFTER)
        return reply

    async def _challenge(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        authorization = await authorizations.find(self._acme, signed.account, call.path["id"])
        authorization, challenge = await challenges.respond(
            self._acme, self._validator, signed.account, authorization, call.path["type"], signed.payload, call.source
        )
        reply = _json(authorizations.render_challenge(request.provisioner, authorization, challenge))
        reply.add("Link", f'<{request.provisioner.urls.authorization(authorization.id)}>;rel="up"')
        if challenge.status == states.Challenge.PROCESSING:
            reply.add("Retry-After", _RETRY_AFTER)
        return reply

    async def _certificate(self, call: Call, request: Request) -> Reply:
        signed = await authenticate_account(self._acme, request)
        _expect_no_payload(signed)
        serial, which = call.path["serial"], call.path.get("chain", "0")
        chain, others = await finalize.download(self._acme, signed, serial, which, call.source)
        reply = Reply(chain, media_type="application/pem-certificate-chain")
        for other in others:
            reply.add("Link", f'<{request.provisioner.urls.certificate(serial, other)}>;rel="alternate"')
        return reply

    async def _revoke(self, call: Call, request: Request) -> Reply:
        signed = await authenticate(self._acme, request)
        await revocation.revoke(self._acme, request.provisioner, signed, call.source)
        return Reply()

    # What they share

    def _open(self, path: str, handler: Handler) -> Route:
        return Route(path, self._endpoint({"GET": handler}, problems.response))

    def _signed(self, path: str, handler: Callable[[Call, Request], Awaitable[Reply]]) -> Route:
        async def handle(call: Call) -> Reply:
            provisioner = self._provisioner(call)
            url = provisioner.urls.to(call.url_path.split("/", 3)[3]) + (f"?{call.query}" if call.query else "")
            return await handler(call, Request(provisioner, url, call.body, call.source))

        return self._nonced(path, {"POST": handle}, check=_check_media_type)

    def _nonced(
        self,
        path: str,
        handlers: dict[str, Callable[[Call], Awaitable[Reply]]],
        check: Callable[[Call], None] = lambda call: None,
    ) -> Route:
        """Every reply carries a fresh nonce, the link to the directory and no leave to be kept (section 6.5.1)."""

        def adorn(handler: Callable[[Call], Awaitable[Reply]]) -> Callable[[Call], Awaitable[Reply]]:
            async def adorned(call: Call) -> Reply:
                return self._adorned(await handler(call), self._provisioner(call))

            return adorned

        def on_error(error: Exception, path: Mapping[str, Any]) -> Reply:
            return self._adorned(problems.response(error, path), self._acme.provisioners.get(path["provisioner"]))

        adorned = {method: adorn(handler) for method, handler in handlers.items()}
        return Route(path, self._endpoint(adorned, on_error, check))

    def _endpoint(
        self, handlers: Mapping[str, Handler], on_error: OnError, check: Callable[[Call], None] = lambda call: None
    ) -> Endpoint:
        limit = self._acme.limits.body_size
        if not self._origins:
            return Endpoint(handlers, on_error=on_error, sources=self._sources, body_limit=limit, check=check)
        return CrossOrigin(
            handlers,
            origins=self._origins,
            on_error=on_error,
            sources=self._sources,
            body_limit=limit,
            exposed=_EXPOSED,
            check=check,
        )

    def _adorned(self, reply: Reply, provisioner: Provisioner | None) -> Reply:
        reply.add("Replay-Nonce", self._acme.nonces.issue())
        reply.add("Cache-Control", "no-store")
        if provisioner is not None:
            reply.add("Link", f'<{provisioner.urls.to("directory")}>;rel="index"')
        return reply

    def _provisioner(self, call: Call) -> Provisioner:
        provisioner = self._acme.provisioners.get(call.path["provisioner"])
        if provisioner is None:
            raise AcmeError(AcmeErrorType.MALFORMED, "there is no such ACME server here", status=404)
        return provisioner

    async def _owner(self, call: Call, request: Request) -> ByAccount:
        """Verify a request and that it goes to the sender's own account."""
        signed = await authenticate_account(self._acme, request)
        if signed.account.id != call.path["id"]:
            raise AcmeError(AcmeErrorType.UNAUTHORIZED, "the account is another one's", status=403)
        return signed

    def _shown_order(self, provisioner: Provisioner, order: Order, status: int = 200) -> Reply:
        reply = _json(orders.render(provisioner, order), status, Location=provisioner.urls.order(order.id))
        if order.status == states.Order.PROCESSING:
            reply.add("Retry-After", _RETRY_AFTER)
        return reply


def _meta(provisioner: Provisioner) -> dict[str, Any]:
    """Return what the directory says of the server (RFC 8555 section 7.1.1), and its profiles."""
    meta: dict[str, Any] = {"profiles": {name: one.description for name, one in provisioner.profiles.items()}}
    if provisioner.terms:
        meta["termsOfService"] = provisioner.terms
    if provisioner.website:
        meta["website"] = provisioner.website
    if provisioner.external_account_required:
        meta["externalAccountRequired"] = True
    if provisioner.subdomains:
        meta["subdomainAuthAllowed"] = True
    return meta


def _check_media_type(call: Call) -> None:
    media_type = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if call.method == "POST" and media_type != "application/jose+json":
        raise WrongMediaType(f"the body must be application/jose+json, not '{media_type[:80]}'")


def _expect_no_payload(signed: ByAccount) -> None:
    if signed.payload:
        raise AcmeError(AcmeErrorType.MALFORMED, "this resource takes POST-as-GET: an empty payload")


def _json(content: object, status: int = 200, **headers: str) -> Reply:
    return Reply(msgspec.json.encode(content), status, headers=headers, media_type="application/json")
