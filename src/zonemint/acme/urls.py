"""The URLs of one provisioner's resources, all below the configured external URL (never the Host header)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Urls"]


@dataclass(frozen=True, slots=True)
class Urls:
    """Builds absolute URLs; `base` is `<external URL>/acme/<provisioner>`."""

    base: str

    def to(self, resource: str) -> str:
        """Return the URL of a directory resource, such as `new-order`."""
        return f"{self.base}/{resource}"

    def account(self, account_id: str) -> str:
        """Return an account's URL, which is the `kid` of its requests."""
        return f"{self.base}/account/{account_id}"

    def account_of(self, url: str) -> str | None:
        """Return the id in an account's URL, or None when it is not one of this provisioner's."""
        head, _, account_id = url.rpartition("/")
        return account_id if head == f"{self.base}/account" else None

    def orders(self, account_id: str, after: str = "") -> str:
        """Return the URL of an account's list of orders, of those after a given one."""
        return f"{self.base}/account/{account_id}/orders" + (f"?after={after}" if after else "")

    def order(self, order_id: str) -> str:
        """Return an order's URL."""
        return f"{self.base}/order/{order_id}"

    def finalize(self, order_id: str) -> str:
        """Return the URL that takes an order's CSR."""
        return f"{self.base}/order/{order_id}/finalize"

    def authorization(self, authorization_id: str) -> str:
        """Return an authorization's URL."""
        return f"{self.base}/authz/{authorization_id}"

    def challenge(self, authorization_id: str, challenge_type: str) -> str:
        """Return a challenge's URL."""
        return f"{self.base}/challenge/{authorization_id}/{challenge_type}"

    def certificate(self, serial: str, chain: int = 0) -> str:
        """Return the URL of a certificate with its preferred chain, or with another one."""
        return f"{self.base}/certificate/{serial}" + (f"/{chain}" if chain else "")
