from __future__ import annotations

from contextlib import suppress

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tests.trust.authorities import NOW, Ca, pem
from zonemint.core.errors import TrustError
from zonemint.trust import roots
from zonemint.trust.roots import Root

OLD, NEW, ISSUING = Ca.named("Old Root"), Ca.named("New Root"), Ca.named("Issuing CA")
OLD_ROOT, NEW_ROOT = OLD.root(), NEW.root()


def chosen(*certificates: x509.Certificate, by: x509.Certificate) -> list[str]:
    """Return the names of the roots in a file that are trusted when a fingerprint speaks for one."""
    found, others = roots.read(pem(*certificates), now=NOW)
    trusted, rest = roots.vouched(found, others, [Root(by).sha256])
    assert len(trusted) + len(rest) == len(found)
    return [one.name for one in trusted]


def test_a_root_is_read_and_what_is_beside_it_is_none() -> None:
    found, others = roots.read(pem(OLD_ROOT, OLD.sign(ISSUING), OLD_ROOT), now=NOW)
    assert [one.certificate for one in found] == [OLD_ROOT]
    assert [one.subject for one in others] == [ISSUING.subject]
    assert found[0].label == f"zonemint-{found[0].sha256[:16]}"


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (OLD.sign(OLD, ca=False), "not a CA's certificate"),
        (OLD.sign(OLD, days=1, begin=NOW - 2 * 86400), "is valid from"),
        (OLD.sign(OLD, begin=NOW + 60), "is valid from"),
        (Ca.named("Old Root").sign(OLD), "did not sign itself"),
    ],
    ids=["no CA", "over", "not yet", "another's signature"],
)
def test_what_is_no_root_is_refused(certificate: x509.Certificate, why: str) -> None:
    with pytest.raises(TrustError, match=why):
        roots.read(pem(certificate), now=NOW)


def test_a_limited_root_is_known_as_one() -> None:
    assert not Root(OLD_ROOT).is_constrained
    assert Root(OLD.sign(OLD, permitted="lab.test")).is_constrained


def test_only_the_root_of_the_fingerprint_is_trusted() -> None:
    assert chosen(OLD_ROOT, NEW_ROOT, by=OLD_ROOT) == ["Old Root"]
    with pytest.raises(TrustError, match="nothing was changed"):
        chosen(NEW_ROOT, by=OLD_ROOT)


def test_a_successor_that_the_root_signed_comes_along() -> None:
    assert chosen(OLD_ROOT, NEW_ROOT, OLD.sign(NEW), by=OLD_ROOT) == ["Old Root", "New Root"]
    # The other way round: whoever trusts the new one already does not need the old one.
    assert chosen(OLD_ROOT, NEW_ROOT, OLD.sign(NEW), by=NEW_ROOT) == ["New Root"]


@pytest.mark.parametrize(
    "cross",
    [
        Ca.named("Old Root").sign(NEW),  # by somebody of the same name
        OLD.sign(Ca.named("New Root")),  # another key
        OLD.sign(NEW, ca=False),
        OLD.sign(NEW, path_length=0),
        OLD.sign(NEW, servers=True),
        OLD.sign(NEW, permitted="lab.test"),
    ],
    ids=["another issuer", "another key", "no CA", "an intermediate", "one purpose", "some names"],
)
def test_an_intermediate_does_not_make_a_root_of_itself(cross: x509.Certificate) -> None:
    assert chosen(OLD_ROOT, NEW_ROOT, cross, by=OLD_ROOT) == ["Old Root"]


def test_a_limited_root_has_no_successor_without_limits() -> None:
    limited = OLD.sign(OLD, permitted="lab.test")
    successor = NEW.sign(NEW, permitted="lab.test")
    assert chosen(limited, NEW_ROOT, OLD.sign(NEW), by=limited) == ["Old Root"]
    assert chosen(limited, NEW_ROOT, OLD.sign(NEW, permitted="lab.test"), by=limited) == ["Old Root"]
    assert chosen(limited, successor, OLD.sign(NEW, permitted="lab.test"), by=limited) == ["Old Root", "New Root"]


@pytest.mark.parametrize("shape", ["{}", "SHA256:{}", "sha256 Fingerprint={}", " {}\n"])
def test_a_fingerprint_is_read_as_programs_print_it(shape: str) -> None:
    plain = Root(OLD_ROOT).sha256
    colons = ":".join(plain[at : at + 2] for at in range(0, 64, 2)).upper()
    for written in (plain, plain.upper(), colons):
        assert roots.fingerprint(shape.format(written)) == plain


@pytest.mark.parametrize("text", ["", "ab" * 31, "ab" * 33, "ab" * 20, "zz" * 32, "ab" * 31 + ":a"])
def test_what_is_no_sha256_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256"):
        roots.fingerprint(text)


@given(st.binary(max_size=300), st.integers(0, 700), st.integers(0, 255))
def test_whatever_comes_is_roots_or_an_error(noise: bytes, at: int, octet: int) -> None:
    changed = bytearray(pem(OLD_ROOT))
    changed[at % len(changed)] = octet
    for content in (noise, bytes(changed), bytes(changed) + noise):
        roots.holds(content, Root(OLD_ROOT))
        with suppress(TrustError):
            for one in roots.read(content, now=NOW)[0]:
                assert one.name.isprintable() or not one.name


def test_a_bundle_holds_it_wherever_it_stands() -> None:
    bundle = b"# a comment\n" + pem(NEW_ROOT).replace(b"\n", b"\r\n") + b"\n" + pem(OLD_ROOT)
    assert roots.holds(bundle, Root(OLD_ROOT))
    assert roots.holds(bundle, Root(NEW_ROOT))
    assert not roots.holds(pem(NEW_ROOT), Root(OLD_ROOT))
