"""Errors as problem documents (RFC 7807, RFC 8555 section 6.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from zonemint.acme.problem import document
from zonemint.core.errors import AcmeError, AcmeErrorType, StoreUnavailable
from zonemint.web.endpoint import Refusal
from zonemint.web.reply import Reply

__all__ = ["RETRY_AFTER", "document", "response"]

RETRY_AFTER = {"Retry-After": "5"}
"""The header of every 503: seconds, while the store cannot answer."""

_STATUS = {
    AcmeErrorType.ALREADY_REPLACED: 409,
    AcmeErrorType.UNAUTHORIZED: 403,
    AcmeErrorType.ORDER_NOT_READY: 403,
    AcmeErrorType.USER_ACTION_REQUIRED: 403,
    AcmeErrorType.EXTERNAL_ACCOUNT_REQUIRED: 403,
    AcmeErrorType.CAA: 403,
    AcmeErrorType.RATE_LIMITED: 429,
    AcmeErrorType.SERVER_INTERNAL: 500,
}


def response(error: Exception, path: Mapping[str, Any]) -> Reply:
    """Return the reply for an error of an ACME resource; one that we did not foresee tells nothing of itself."""
    headers: dict[str, str] = {}
    match error:
        case AcmeError():
            status = error.status or _STATUS.get(error.type, 400)
            headers = error.headers
            problem = document(error)
        case Refusal():
            status, headers = error.status, error.headers
            problem = document(AcmeError(AcmeErrorType.MALFORMED, str(error)))
        case StoreUnavailable():
            status, headers = 503, RETRY_AFTER
            problem = document(AcmeError(AcmeErrorType.SERVER_INTERNAL, "the store cannot answer now; try again soon"))
        case _:
            status = 500
            problem = document(AcmeError(AcmeErrorType.SERVER_INTERNAL, "the server made a mistake; its log says more"))
    problem["status"] = status
    return Reply(msgspec.json.encode(problem), status, headers=headers, media_type="application/problem+json")
