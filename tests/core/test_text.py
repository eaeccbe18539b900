from __future__ import annotations

import pytest

from zonemint.core.text import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://zonemint@db.lab.test/zonemint", "postgresql://zonemint@db.lab.test/zonemint"),
        ("postgresql://u:secret@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:se:c@re/t@h1:5432,h2:5433/d", "postgresql://u:***@h1:5432,h2:5433/d"),
        ("postgresql://h:5432/d?user=u&password=se%40cret&x=1", "postgresql://h:5432/d?user=u&password=***&x=1"),
        ("postgresql://u:secret@/d?sslpassword=secret", "postgresql://u:***@/d?sslpassword=***"),
        ("postgresql://:secret@h/d?options=a@b", "postgresql://:***@h/d?options=a@b"),
        ("", ""),
    ],
)
def test_no_sign_of_a_password_is_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown
