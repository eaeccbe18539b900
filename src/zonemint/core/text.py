"""Foreign text in our own sentences."""

from __future__ import annotations

import re

__all__ = ["shown", "without_password"]

# Up to the last @, for a password may have any sign in it, escaped or not.
_PASSWORD = re.compile(r"(?<=://)([^:@/?]*:)[^?]+(?=@)|(password=)[^&]+")


def shown(text: str, longest: int = 80) -> str:
    """Make foreign text safe and short enough for a message, a log line or a terminal."""
    clean = text.encode("unicode_escape").decode("ascii")
    return clean if len(clean) <= longest else clean[: longest - 3] + "..."


def without_password(url: str) -> str:
    """Return a URL as it may be shown and logged."""
    return _PASSWORD.sub(r"\1\2***", url)
