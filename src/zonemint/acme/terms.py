"""Terms of service (RFC 8555 sections 7.3 and 7.3.3): who must agree, and how a client hears of it."""

from __future__ import annotations

from zonemint.acme.context import Provisioner
from zonemint.core.errors import AcmeError, AcmeErrorType
from zonemint.store.accounts import Account

__all__ = ["check", "not_agreed"]


def check(provisioner: Provisioner, account: Account) -> None:
    """Refuse an account that has yet to agree to the terms as they are now; raises AcmeError.

    A client cannot say so itself (section 7.3.2 has its word ignored): a person reads the page, and has an
    administrator note it.
    """
    if provisioner.terms_again and account.terms != provisioner.terms:
        raise AcmeError(
            AcmeErrorType.USER_ACTION_REQUIRED,
            f"the terms of service have changed: read {provisioner.terms}, and tell the CA's administrator that you "
            f"agree (zonemint accounts agree {account.id})",
            fields={"instance": provisioner.urls.to("terms")},
            headers=_link(provisioner),
        )


def not_agreed(provisioner: Provisioner) -> AcmeError:
    """Return the error for a new account that does not agree."""
    return AcmeError(
        AcmeErrorType.USER_ACTION_REQUIRED,
        f"an account must agree to the terms of service: read {provisioner.terms} and send termsOfServiceAgreed",
        fields={"instance": provisioner.urls.to("terms")},
        headers=_link(provisioner),
    )


def _link(provisioner: Provisioner) -> dict[str, str]:
    return {"Link": f'<{provisioner.terms}>;rel="terms-of-service"'}
