from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from pathlib import Path

import gmpy2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.pki.test_csr import NAMES, names_extension, refusal, request
from zonemint.core.errors import ConfigError, CsrError
from zonemint.pki import csr
from zonemint.pki.weak_keys import KnownKeys, weakness


def prime(seed: str) -> int:
    """A prime of 1024 bits, always the same, whose two highest bits are set."""
    octets = hashlib.shake_256(seed.encode()).digest(128)
    return int(gmpy2.next_prime(int.from_bytes(octets, "big") | 3 << 1022))


P, Q = prime("p"), prime("q")
ROCA = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6  # a product of small primes


def public(modulus: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(65537, modulus).public_key()


def generated(seed: str, exponent: int) -> int:
    """A prime as the chips of CVE-2017-15361 make them: a power of 65537 modulo a product of small primes."""
    candidate = pow(65537, exponent, ROCA) + ROCA * (prime(seed) // ROCA)
    while not gmpy2.is_prime(candidate):
        candidate += ROCA
    return candidate


def test_sound_keys_have_no_weakness() -> None:
    for key in (
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
        rsa.generate_private_key(public_exponent=65537, key_size=3072),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        assert weakness(key.public_key()) == ""
    assert weakness(public(P * Q)) == ""


@pytest.mark.parametrize(
    ("modulus", "said"),
    [
        (P * int(gmpy2.next_prime(P)), "Fermat"),
        (P * P, "Fermat"),
        (65537 * int(gmpy2.next_prime(P * Q >> 16)), "small factor"),
        (generated("p", 123) * generated("q", 4567), "ROCA"),
        (int(gmpy2.next_prime(1 << 1023)) * int(gmpy2.next_prime((1 << 1023) + (1 << 900))), "pattern"),
    ],
    ids=["fermat", "square", "small", "roca", "pattern"],
)
def test_weak_rsa(modulus: int, said: str) -> None:
    assert said in weakness(public(modulus))


def test_a_prime_of_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module("badkeys.rsakeys.sharedprimes")
    weakness(public(P * Q))
    monkeypatch.setitem(known._moduli, 2048, known._moduli[2048] * P)
    assert "shares a prime" in weakness(public(P * Q))


FIELD = 2**255 - 19
D = -121665 * pow(121666, -1, FIELD) % FIELD


def on_the_curve(y: int) -> bool:
    """-x^2 + y^2 = 1 + d x^2 y^2 has an x (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, FIELD) % FIELD
    return square == 0 or pow(square, (FIELD - 1) // 2, FIELD) == 1


def doubled(y: int) -> int:
    """The y of twice a point, which needs only its y."""
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, FIELD) % FIELD
    return (y * y + x2) * pow(1 - D * x2 * y * y, -1, FIELD) % FIELD


def test_points_of_small_order_are_exactly_those_of_the_list() -> None:
    from zonemint.pki.weak_keys import _SMALL_ORDER

    for raw in _SMALL_ORDER:
        y = int.from_bytes(raw, "little") % FIELD
        assert on_the_curve(y)
        assert doubled(doubled(doubled(y))) == 1
    # Of the eight points of the subgroup five have a y of their own, and 0 and 1 have a second form below 2^255.
    assert len({int.from_bytes(raw, "little") % FIELD for raw in _SMALL_ORDER}) == 5
    assert len(_SMALL_ORDER) == 7


def test_a_request_that_anybody_can_sign_is_refused() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    der = request(names_extension(*NAMES), key=key, digest=None)
    base_point = bytes.fromhex("58" + "66" * 31)
    one = (1).to_bytes(32, "little")
    # The neutral element as the key: the signature is R = B and S = 1, whatever is signed.
    forged = der.replace(key.public_key().public_bytes_raw(), one)[:-64] + base_point + one
    assert "small order" in refusal(forged)


def test_a_point_off_its_curve_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = request(names_extension(*NAMES), key=key)
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    off = point[:-1] + bytes([point[-1] ^ 1])
    assert "not a DER" in refusal(der.replace(point, off))


def record(key: CertificatePublicKeyTypes, origin: int = 7) -> bytes:
    match key:
        case rsa.RSAPublicKey():
            number = key.public_numbers().n
        case ec.EllipticCurvePublicKey():
            number = key.public_numbers().x
        case ed25519.Ed25519PublicKey():
            number = int.from_bytes(key.public_bytes_raw(), "big")
        case _:
            raise AssertionError(key)
    return hashlib.sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).digest()[:15] + bytes([origin])


KEYS: list[CertificatePublicKeyTypes] = [
    public(P * Q),
    *(ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, 12)),
    *(ed25519.Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)).public_key() for number in range(4)),
]


@given(st.sets(st.sampled_from(range(len(KEYS))), min_size=1), st.lists(st.binary(min_size=16, max_size=16)))
def test_exactly_the_keys_of_the_list_are_on_it(
    tmp_path_factory: pytest.TempPathFactory, listed: set[int], others: list[bytes]
) -> None:
    file = tmp_path_factory.mktemp("known") / "blocklist.dat"
    file.write_bytes(b"".join(sorted([*others, *(record(KEYS[at]) for at in listed)])))
    known = KnownKeys(file)
    assert {at for at, key in enumerate(KEYS) if key in known} == listed


def test_badkeys_reads_the_same_list(tmp_path: Path) -> None:
    (tmp_path / "badkeys").mkdir()
    file = tmp_path / "badkeys/blocklist.dat"
    file.write_bytes(b"".join(sorted(map(record, KEYS[::2]))))
    (tmp_path / "badkeys/badkeysdata.json").write_text('{"blocklists": [{"id": 7, "name": "test"}]}')
    pems = []
    for at, key in enumerate(KEYS):
        pems.append(tmp_path / f"{at}.pem")
        pems[-1].write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    said = subprocess.run(
        [Path(sys.executable).with_name("badkeys"), *pems],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    known = KnownKeys(file)
    assert {str(pem) for pem in pems if str(pem) in said} == {str(pem) for pem in pems[::2]}, said
    assert [key in known for key in KEYS] == [at % 2 == 0 for at in range(len(KEYS))]


def test_a_list_that_takes_its_place_is_taken_up_and_a_broken_one_is_not(tmp_path: Path) -> None:
    file, draft = tmp_path / "blocklist.dat", tmp_path / "draft"
    file.write_bytes(record(KEYS[0]))
    known = KnownKeys(file)
    assert KEYS[0] in known
    draft.write_bytes(record(KEYS[1]))
    draft.rename(file)
    assert KEYS[0] not in known
    assert KEYS[1] in known
    draft.write_bytes(b"broken")
    draft.rename(file)
    assert KEYS[1] in known
    file.unlink()
    assert KEYS[1] in known


@pytest.mark.parametrize("content", [None, b"", b"0" * 17], ids=["none", "empty", "odd"])
def test_a_list_that_cannot_be_used_is_one_line(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "blocklist.dat"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=f"{file}: .*list of known keys"):
        KnownKeys(file)


def test_a_known_key_is_refused(tmp_path: Path) -> None:
    key = ec.derive_private_key(5, ec.SECP256R1())
    (tmp_path / "list").write_bytes(record(key.public_key()))
    der = request(names_extension(*NAMES), key=key)
    assert csr.check(der, names=NAMES, ips=frozenset())
    with pytest.raises(CsrError, match="the CSR's key is public, as a list of such keys has it"):
        csr.check(der, names=NAMES, ips=frozenset(), known_keys=KnownKeys(tmp_path / "list"))
