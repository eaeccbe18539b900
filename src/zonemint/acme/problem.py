"""Errors as problem documents (RFC 7807, RFC 8555 section 6.7), in replies and where an order keeps one."""

from __future__ import annotations

from typing import Any

from zonemint.core.errors import AcmeError

__all__ = ["document"]


def document(error: AcmeError) -> dict[str, Any]:
    """Return an error as a problem document, its subproblems inside it (section 6.7.1)."""
    problem: dict[str, Any] = {
        "type": f"urn:ietf:params:acme:error:{error.type}",
        "detail": error.detail,
        **error.fields,
    }
    if error.subproblems:
        problem["subproblems"] = [{**document(sub), "identifier": identifier} for identifier, sub in error.subproblems]
    return problem
