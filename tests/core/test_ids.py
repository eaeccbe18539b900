"""Random texts go onto command lines."""

from __future__ import annotations

from base64 import urlsafe_b64decode

import pytest

from zonemint.core.ids import random_text


@pytest.mark.parametrize("octets", [30, 32, 64])
def test_no_text_is_taken_for_an_option(octets: int) -> None:
    """Of 2000 such texts about 31 would begin with a hyphen."""
    texts = {random_text(octets) for _ in range(2000)}
    assert len(texts) == 2000
    assert not [text for text in texts if text.startswith("-")]
    assert [text for text in texts if text.startswith("_")]
    assert {len(urlsafe_b64decode(f"{text}==")) for text in texts} == {octets}
