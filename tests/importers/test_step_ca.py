from __future__ import annotations

import json
import shutil
import stat
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.program import run
from zonemint.config import load
from zonemint.core.errors import ForeignDataError
from zonemint.importers import step_ca
from zonemint.store.sqlite import SqliteDatabase
from zonemint.store.token_issuers import listing

FOLDERS = Path(__file__).with_name("step_ca")  # made by `step ca init`
PASSWORD = "secret123"

Tree = dict[str, Any]


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\n")
    file.chmod(0o600)
    return file


def copied(kind: str, tmp_path: Path, change: Callable[[Tree], object] = lambda tree: None) -> Path:
    """Return a copy of a folder whose `ca.json` was changed."""
    folder = tmp_path / kind
    shutil.copytree(FOLDERS / kind, folder)
    file = folder / "config/ca.json"
    tree = json.loads(file.read_text())
    change(tree)
    file.write_text(json.dumps(tree))
    return folder


def imported(folder: Path, *words: str | Path) -> Tree:
    done = run("import", "step-ca", folder, *words, "--json")
    assert done.returncode == 0, done.stderr
    report: Tree = json.loads(done.stdout)
    return report


def refusal(folder: Path, data: Path, *words: str | Path) -> str:
    done = run("import", "step-ca", folder, "--data", data, *words)
    assert done.returncode == 1, done.stdout
    assert not data.exists()
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def left_out(report: Tree) -> dict[str, str]:
    return {one["what"]: one["why"] for one in report["refused"]}


def fingerprint(file: Path) -> str:
    return x509.load_pem_x509_certificate(file.read_bytes()).fingerprint(SHA256()).hex()


def test_root_intermediate_and_keys_come_as_they_are(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    report = imported(FOLDERS / "plain", "--data", data, "--password-file", password)
    for ours, theirs in (("root.crt", "root_ca.crt"), ("intermediate.crt", "intermediate_ca.crt")):
        assert fingerprint(data / "pki" / ours) == fingerprint(FOLDERS / "plain/certs" / theirs)
    assert report["root_sha256"] == fingerprint(FOLDERS / "plain/certs/root_ca.crt")
    for name, theirs in (("root", "root_ca_key"), ("intermediate", "intermediate_ca_key")):
        file = data / f"pki/{name}.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        pair = [(file, PASSWORD.encode()), (FOLDERS / "plain/secrets" / theirs, PASSWORD.encode())]
        mine, old = (load_pem_private_key(one.read_bytes(), secret) for one, secret in pair)
        assert mine.public_key() == old.public_key()
    assert not report["constrained"]
    told = json.loads(run("doctor", "--data", data, "--json").stdout)
    assert [one["state"] for one in told if one["what"] == "name constraints"] == ["note"]
    assert run("audit", "verify", "--data", data).returncode == 0


def test_settings_are_those_of_ca_json(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    report = imported(FOLDERS / "plain", "--data", data, "--password-file", password)
    config = load(data / "zonemint.toml")
    assert (config.domains, config.external_url, config.roles) == (("lab.test",), "https://ca.lab.test", ("ca",))
    assert config.listen.https_port == 443
    assert config.ca.password_file == str(password)
    assert set(config.provisioners) == {"acme", "acme-eab"}
    assert config.provisioners["acme"].challenges == ("http-01", "dns-01", "tls-alpn-01")
    strict = config.provisioners["acme-eab"]
    assert (strict.external_account_required, strict.challenges) == (True, ("dns-01",))
    lives = {name: str(one.lifetime) for name, one in config.profiles.items()}
    assert lives == {"default": "1d", "acme-eab": "30d"}
    assert all(one.extended_key_usages == ("serverAuth", "clientAuth") for one in config.profiles.values())
    assert report["acme"] == ["acme", "acme-eab"]
    assert "provisioner x5c (X5C)" in left_out(report)


async def test_those_who_make_tokens_come_with_their_encrypted_keys(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    assert imported(FOLDERS / "plain", "--data", data, "--password-file", password)["token_issuers"] == [
        "admin@lab.test",
        "robots",
    ]
    told = json.loads((FOLDERS / "plain/config/ca.json").read_text())["authority"]["provisioners"]
    db = SqliteDatabase(data / "zonemint.db")
    try:
        found = await db.read(listing())
    finally:
        await db.close()
    theirs = [(one["key"]["kid"], one["name"], one["encryptedKey"]) for one in told if one["type"] == "JWK"]
    assert [(one.kid, one.name, one.encrypted_key) for one in found] == theirs


def test_an_rsa_hierarchy_with_pkcs8_keys_and_without_the_roots_key(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    report = imported(FOLDERS / "rsa", "--data", data, "--password-file", password)
    assert not report["root_key"]
    assert "SSH certificates" in left_out(report)
    config = load(data / "zonemint.toml")
    assert config.external_url == "https://step.lab.test:9000"
    assert (config.listen.address, config.listen.https_port) == ("127.0.0.1", 9000)
    # No provisioner was open there, and none is here.
    assert config.provisioners["acme"].external_account_required
    # The name ca.lab.test may lead nowhere, so that nothing points to it.
    assert config.profiles["default"].pointers == ()
    shown = json.loads(run("ca", "show", "--data", data, "--json").stdout)
    assert [one["key_type"] for one in shown] == ["rsa2048", "rsa2048"]


def test_the_intermediate_may_be_replaced_by_one_that_is_held_to_the_domains(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    imported(FOLDERS / "plain", "--data", data, "--password-file", password)
    done = run("ca", "rotate-intermediate", "--data", data)
    assert done.returncode == 0, done.stderr
    issuer, before, root = json.loads(run("ca", "show", "--data", data, "--json").stdout)
    assert (issuer["domains"], before["domains"]) == (["lab.test", "localhost"], [])
    assert root["sha256"] == fingerprint(FOLDERS / "plain/certs/root_ca.crt")


def test_a_dry_run_writes_nothing(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    report = imported(FOLDERS / "plain", "--data", data, "--password-file", password, "--dry-run")
    assert report["acme"] == ["acme", "acme-eab"]
    assert not data.exists()


def test_several_roots_are_trusted(tmp_path: Path, password: Path) -> None:
    old = FOLDERS / "rsa/certs/root_ca.crt"

    def with_more(tree: Tree) -> None:
        tree["root"] = ["/home/step/certs/root_ca.crt", str(old)]
        tree["federatedRoots"] = [str(old)]

    data = tmp_path / "data"
    imported(copied("plain", tmp_path, with_more), "--data", data, "--password-file", password)
    assert [fingerprint(one) for one in (data / "pki/roots").iterdir()] == [fingerprint(old)]


def test_policy_and_claims_of_the_whole_ca_hold_for_each_provisioner(tmp_path: Path, password: Path) -> None:
    def strict(tree: Tree) -> None:
        tree["authority"]["claims"] = {"defaultTLSCertDuration": "48h0m0s", "maxTLSCertDuration": "72h"}
        tree["authority"]["template"] = {"organization": "Lab", "country": "DE"}
        allow = {"dns": ["*.lab.test", "lab.test"], "ip": ["10.0.0.0/8", "192.168.1.1"]}
        tree["authority"]["policy"] = {"x509": {"allow": allow, "deny": {"dns": ["bad.lab.test"]}}}

    data = tmp_path / "data"
    imported(copied("plain", tmp_path, strict), "--data", data, "--password-file", password)
    config = load(data / "zonemint.toml")
    default = config.profiles["default"]
    assert (str(default.lifetime), dict(default.subject)) == ("2d", {"O": "Lab", "C": "DE"})
    for one in config.provisioners.values():
        assert one.allow == ("*.lab.test", "lab.test", "10.0.0.0/8", "192.168.1.1/32")
        assert (one.deny, one.wildcards) == (("bad.lab.test",), False)


def _kms(tree: Tree) -> None:
    tree["kms"] = {"type": "pkcs11", "uri": "pkcs11:token=ca"}


def _ra(tree: Tree) -> None:
    tree["authority"]["type"] = "stepcas"


def _admin(tree: Tree) -> None:
    tree["authority"] = {"enableAdmin": True}


def _elsewhere(tree: Tree) -> None:
    tree["dnsNames"] = ["ca.other.test"]


def _no_domain(tree: Tree) -> None:
    tree["dnsNames"] = ["localhost", "127.0.0.1"]


def _root_signs(tree: Tree) -> None:
    tree["crt"] = tree["root"]


def _other_key(tree: Tree) -> None:
    tree["key"] = "/home/step/secrets/root_ca_key"


def _other_root(tree: Tree) -> None:
    tree["root"] = str(FOLDERS / "rsa/certs/root_ca.crt")


def _policy_elsewhere(tree: Tree) -> None:
    tree["authority"]["policy"] = {"x509": {"allow": {"dns": ["*.other.test"]}}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_kms, "ca.json: kms.type = 'pkcs11': the intermediate's key is in a key manager"),
        (_ra, "ca.json: authority.type = 'stepcas': this is a registration authority"),
        (_admin, "ca.json: authority.enableAdmin: the provisioners are in its database"),
        (_elsewhere, "ca.json: dnsNames: 'ca.other.test' lies outside the domains of this CA: lab.test"),
        (_no_domain, "ca.json: dnsNames: 'localhost' does not tell which domain the CA is for"),
        (_root_signs, "ca.json: crt is the root itself"),
        (_other_key, "root_ca_key: this key is not that of the certificate that crt names"),
        (_other_root, "intermediate_ca.crt: this certificate does not lead to a root that ca.json names"),
        (_policy_elsewhere, "ca.json: authority.policy: *.other.test lies outside lab.test: repeat --domain"),
    ],
)
def test_what_cannot_come_as_a_whole_is_refused_and_nothing_is_written(
    tmp_path: Path, password: Path, change: Callable[[Tree], None], why: str
) -> None:
    domain = () if change is _no_domain else ("--domain", "lab.test")
    folder = copied("plain", tmp_path, change)
    assert why in refusal(folder, tmp_path / "data", "--password-file", password, *domain)


def test_passwords(tmp_path: Path, password: Path) -> None:
    assert "the key is encrypted" in refusal(FOLDERS / "plain", tmp_path / "data")
    password.write_text("wrong")
    assert "is not that of this key" in refusal(FOLDERS / "plain", tmp_path / "data", "--password-file", password)


def test_a_folder_that_has_something_stays_as_it_is(tmp_path: Path, password: Path) -> None:
    data = tmp_path / "data"
    assert run("init", "--domain", "lab.test", "--data", data).returncode == 0
    before = (data / "pki/root.crt").read_bytes()
    done = run("import", "step-ca", FOLDERS / "plain", "--data", data, "--password-file", password)
    assert (done.returncode, "something is in this folder already" in done.stderr) == (1, True)
    assert (data / "pki/root.crt").read_bytes() == before


def test_what_an_import_left_that_was_cut_off_is_removed(tmp_path: Path, password: Path) -> None:
    half = tmp_path / "data/.import.x/pki"
    half.mkdir(parents=True)
    (half / "root.key").write_text("half")
    imported(FOLDERS / "plain", "--data", tmp_path / "data", "--password-file", password)
    assert sorted(one.name for one in (tmp_path / "data").iterdir()) == ["pki", "zonemint.db", "zonemint.toml"]


def test_a_provisioner_that_asks_webhooks_does_not_come(tmp_path: Path, password: Path) -> None:
    def hooked(tree: Tree) -> None:
        for one in tree["authority"]["provisioners"][:2]:
            one["options"] = {"webhooks": [{"name": "allowed?", "url": "https://hook.lab.test", "kind": "AUTHORIZING"}]}

    report = imported(copied("plain", tmp_path, hooked), "--data", tmp_path / "d", "--password-file", password)
    assert (report["acme"], report["token_issuers"]) == (["acme-eab"], ["robots"])
    assert load(tmp_path / "d/zonemint.toml").provisioners["acme"].external_account_required


def test_provisioners_of_the_admin_api_come_from_their_list(tmp_path: Path, password: Path) -> None:
    told = json.loads((FOLDERS / "plain/config/ca.json").read_text())["authority"]["provisioners"]
    (tmp_path / "list.json").write_text(json.dumps(told))
    words = ("--data", tmp_path / "data", "--password-file", password, "--provisioners", tmp_path / "list.json")
    assert imported(copied("plain", tmp_path, _admin), *words)["acme"] == ["acme", "acme-eab"]


@pytest.mark.parametrize("serial", ["81985529216486895", "0x0123456789abcdef"])
def test_revoked_serials_come_from_a_file(tmp_path: Path, password: Path, serial: str) -> None:
    file = tmp_path / "serials"
    file.write_text(f"# what was revoked\n{serial}\n\n")
    data = tmp_path / "data"
    report = imported(FOLDERS / "plain", "--data", data, "--password-file", password, "--revoked", file)
    assert report["revoked"] == 1
    file.write_text("12\nnonsense\n")
    words = ("--password-file", password, "--revoked", file)
    assert f"{file}: line 2: 'nonsense' is no serial" in refusal(FOLDERS / "plain", tmp_path / "other", *words)


def test_a_crl_of_another_ca_is_refused(tmp_path: Path, password: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
         "-keyout", tmp_path / "k", "-out", tmp_path / "c"],
        check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "index").write_text("")
    (tmp_path / "conf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/index\ndefault_md=sha256\ndefault_crl_days=1\n"
    )
    crl: list[str | Path] = ["-config", tmp_path / "conf", "-keyfile", tmp_path / "k", "-cert", tmp_path / "c"]
    subprocess.run(["openssl", "ca", "-gencrl", *crl, "-out", tmp_path / "crl"], check=True, capture_output=True)
    why = refusal(FOLDERS / "plain", tmp_path / "data", "--password-file", password, "--revoked", tmp_path / "crl")
    assert "this revocation list is not signed by the intermediate" in why


@pytest.mark.parametrize(
    ("text", "length"), [("24h", 86400), ("720h0m0s", 2592000), ("1h30m", 5400), ("1.5h", 5400), ("500ms", 0)]
)
def test_lengths_of_time(text: str, length: int) -> None:
    assert step_ca.seconds(text) == length


@given(st.text(max_size=30))
def test_any_length_of_time_is_read_or_refused(text: str) -> None:
    with suppress(ForeignDataError):
        assert step_ca.seconds(text) >= 0


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_keys = ("root", "crt", "key", "address", "dnsNames", "db", "kms", "authority", "ssh", "federatedRoots", "crl")


@given(st.dictionaries(st.sampled_from(_keys), _json))
def test_any_ca_json_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, tree: Tree) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "config").mkdir()
    (folder / "config/ca.json").write_text(json.dumps(tree))
    with suppress(ForeignDataError):
        assert step_ca.load(folder).roots
