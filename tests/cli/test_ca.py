"""A root that the user brings, an intermediate that is signed elsewhere, and a root's key that leaves."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.cli.program import ENV, run
from tests.programs import require_program
from tests.server import running
from zonemint.pki import constraints, hierarchy, keys
from zonemint.pki.keys import FileSigner, PrivateKey

NOW = time.time()
DAY = 86400


class Root:
    """A root that was made by somebody else, in files."""

    def __init__(self, folder: Path, key: PrivateKey | None = None, **changes: object) -> None:
        self.key = key or keys.generate()
        until, length = changes.get("until", NOW + 1000 * DAY), changes.get("length")
        now = min(NOW, float(str(until)) - DAY)
        builder = hierarchy.ca_builder(
            None, "My Root", self.key.public_key(), now=now, not_after=float(str(until)), path_length=5
        )
        extensions = [one for one in builder._extensions if not isinstance(one.value, x509.BasicConstraints)]
        basic = x509.BasicConstraints(bool(changes.get("ca", True)), length if isinstance(length, int) else None)
        builder = x509.CertificateBuilder(
            builder._issuer_name,
            builder._subject_name,
            builder._public_key,
            builder._serial_number,
            builder._not_valid_before,
            builder._not_valid_after,
            [*extensions, x509.Extension(basic.oid, True, basic)],
        )
        if isinstance(limits := changes.get("limits"), x509.NameConstraints):
            builder = builder.add_extension(limits, critical=True)
        if isinstance(usage := changes.get("usage"), x509.ObjectIdentifier):
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        self.certificate = FileSigner(self.key).sign_certificate(builder)
        self.file, self.key_file = folder / "my-root.crt", folder / "my-root.key"
        self.file.write_bytes(self.certificate.public_bytes(Encoding.PEM))
        self.key_file.unlink(missing_ok=True)
        keys.write_key(self.key_file, self.key)

    def sign(self, request: bytes, domains: list[str], above: x509.Certificate | None = None) -> x509.Certificate:
        csr = x509.load_pem_x509_csr(request)
        assert csr.is_signature_valid
        return hierarchy.make_intermediate(
            above or self.certificate,
            FileSigner(self.key),
            common_name="Signed elsewhere",
            public_key=csr.public_key(),
            domains=domains,
            now=NOW,
        )


def secret(folder: Path, text: str = "geheim") -> Path:
    file = folder / f"password-{text}"
    file.write_text(f"{text}\n")
    file.chmod(0o600)
    return file


def verified(root: Path, intermediate: Path) -> None:
    done = subprocess.run(
        [require_program("openssl"), "verify", "-x509_strict", "-CAfile", root, intermediate], capture_output=True
    )
    assert done.returncode == 0, done.stderr


def shown(data: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(run("ca", "show", "--json", "--data", data).stdout)
    return rows


def test_a_root_of_the_users_signs_and_its_key_is_not_kept(tmp_path: Path) -> None:
    root, data = Root(tmp_path), tmp_path / "data"
    words: list[str | Path] = ["--root", root.file, "--root-key", root.key_file, "--domain", "lab.test", "--data", data]
    done = run("init", *words)
    assert done.returncode == 0, done.stderr
    assert (data / "pki/root.crt").read_bytes() == root.file.read_bytes()
    assert not (data / "pki/root.key").exists()
    verified(root.file, data / "pki/intermediate.crt")
    issuer, above = shown(data)
    assert (issuer["role"], issuer["key"], issuer["path_length"]) == ("issuer", "pki/", 0)
    assert issuer["domains"] == ["lab.test", "localhost"]
    assert (above["name"], above["key"]) == ("CN=My Root", "elsewhere")
    assert "My Root" in run("ca", "show", "--data", data).stdout


def test_a_root_key_that_is_encrypted_and_kept(tmp_path: Path) -> None:
    root, data, password = Root(tmp_path), tmp_path / "data", secret(tmp_path)
    root.key_file.unlink()
    keys.write_key(root.key_file, root.key, b"geheim")
    words: list[str | Path] = ["--root", root.file, "--root-key", root.key_file, "--domain", "lab.test", "--data", data]
    assert "the key is encrypted" in run("init", *words).stderr
    assert not data.exists()
    assert "the password is not that" in run("init", *words, "--password-file", secret(tmp_path, "other")).stderr
    assert not data.exists()
    done = run("init", *words, "--password-file", password, "--keep-root-key")
    assert done.returncode == 0, done.stderr
    for name in ("root.key", "intermediate.key"):
        assert b"ENCRYPTED" in (data / "pki" / name).read_bytes()
        assert stat.S_IMODE((data / "pki" / name).stat().st_mode) == 0o600
    # The settings name the password's file, so that a server starts; the environment does, too.
    with running(data):
        pass
    text = (data / "zonemint.toml").read_text().replace(str(password), "")
    (data / "zonemint.toml").write_text(text)
    assert "the key is encrypted: say where its password is" in run("ca", "show", "--data", data).stderr
    named = {**ENV, "ZONEMINT_PASSWORD_FILE": str(password)}
    assert run("ca", "show", "--data", data, env=named).returncode == 0


def test_an_intermediate_that_is_signed_elsewhere(tmp_path: Path) -> None:
    root, data = Root(tmp_path), tmp_path / "data"
    done = run("init", "--root", root.file, "--domain", "lab.test", "--data", data)
    assert done.returncode == 0, done.stderr
    request = (data / "pki/intermediate.csr").read_bytes()
    assert "zonemint ca install-intermediate" in done.stderr
    waiting = run("up", "--data", data)
    assert waiting.returncode == 1
    assert "the intermediate is not signed yet" in waiting.stderr
    assert run("ca", "csr", "--data", data).stdout.startswith("-----BEGIN CERTIFICATE REQUEST-----")
    signed, other = tmp_path / "signed.crt", tmp_path / "other.crt"
    stranger = run("ca", "install-intermediate", root.file, "--data", data)
    assert "this is the root itself" in stranger.stderr
    other.write_bytes(root.sign(request, ["other.test"]).public_bytes(Encoding.PEM))
    assert "do not permit lab.test" in run("ca", "install-intermediate", other, "--data", data).stderr
    key = hierarchy.make_request(FileSigner(keys.generate()), common_name="x", domains=["lab.test"])
    other.write_bytes(root.sign(key.public_bytes(Encoding.PEM), ["lab.test"]).public_bytes(Encoding.PEM))
    assert "is not for the key of this folder" in run("ca", "install-intermediate", other, "--data", data).stderr
    elsewhere = Root(_folder(tmp_path / "elsewhere"))
    other.write_bytes(elsewhere.sign(request, ["lab.test"]).public_bytes(Encoding.PEM))
    assert "do not lead to the root" in run("ca", "install-intermediate", other, "--data", data).stderr
    assert not (data / "pki/intermediate.crt").exists()
    signed.write_bytes(root.sign(request, ["lab.test"]).public_bytes(Encoding.PEM))
    done = run("ca", "install-intermediate", signed, "--data", data)
    assert done.returncode == 0, done.stderr
    assert not (data / "pki/intermediate.csr").exists()
    verified(root.file, data / "pki/intermediate.crt")
    with running(data) as server:
        assert server.fetch("/roots.pem") == root.file.read_bytes()


def test_tiers_between_the_root_and_the_intermediate(tmp_path: Path) -> None:
    root, data = Root(tmp_path), tmp_path / "data"
    assert run("init", "--root", root.file, "--domain", "lab.test", "--data", data).returncode == 0
    middle = keys.generate()
    builder = hierarchy.ca_builder(
        root.certificate, "Middle", middle.public_key(), now=NOW, not_after=NOW + 90 * DAY, path_length=1
    )
    tier = FileSigner(root.key).sign_certificate(builder)
    signer = Root(_folder(tmp_path / "middle"), middle)
    leaf = signer.sign((data / "pki/intermediate.csr").read_bytes(), ["lab.test"], above=tier)
    chain = tmp_path / "chain.pem"
    # The root at its end does no harm.
    chain.write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in (leaf, tier, root.certificate)))
    done = run("ca", "install-intermediate", chain, "--data", data)
    assert done.returncode == 0, done.stderr
    with running(data) as server:
        served = x509.load_pem_x509_certificates(server.fetch("/intermediates.pem"))
        assert served == [leaf, tier]
        own = x509.load_pem_x509_certificates((data / "pki/server.crt").read_bytes())
        assert own[1:] == [leaf, tier]


def _limits(**trees: list[str]) -> x509.NameConstraints:
    names = {kind: [x509.DNSName(one) for one in each] for kind, each in trees.items()}
    return x509.NameConstraints(names.get("permitted"), names.get("excluded"))


REFUSED: dict[str, tuple[Callable[[Path], Root], str]] = {
    "expired": (lambda f: Root(f, until=NOW - DAY), "this certificate expired at"),
    "no CA": (lambda f: Root(f, ca=False), "is not a CA's"),
    "path length 0": (lambda f: Root(f, length=0), "has the path length 0"),
    "other domains": (lambda f: Root(f, limits=_limits(permitted=["other.test"])), "do not permit lab.test"),
    "excluded": (lambda f: Root(f, limits=_limits(excluded=["a.lab.test"])), "do not permit lab.test"),
    "weak": (lambda f: Root(f, rsa.generate_private_key(65537, 1024)), "is weak (rsa1024)"),
    "mail": (lambda f: Root(f, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION), "do not permit servers"),
}


@pytest.mark.parametrize(("make", "said"), REFUSED.values(), ids=REFUSED)
def test_a_root_that_cannot_serve_is_one_line_and_nothing_is_written(
    tmp_path: Path, make: Callable[[Path], Root], said: str
) -> None:
    root = make(tmp_path)
    done = run("init", "--root", root.file, "--domain", "lab.test", "--data", tmp_path / "data")
    assert done.returncode == 1
    assert done.stderr.startswith(f"zonemint: {root.file}: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def openssl(*words: str | Path) -> None:
    subprocess.run([require_program("openssl"), *words], check=True, capture_output=True, timeout=30)


def test_a_root_without_key_usages_as_openssl_makes_it(tmp_path: Path) -> None:
    root, key, data = tmp_path / "root.crt", tmp_path / "root.key", tmp_path / "data"
    openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "900"),
        *("-subj", "/CN=Home Root", "-keyout", key, "-out", root),
    )
    key.chmod(0o600)
    done = run("init", "--root", root, "--root-key", key, "--domain", "lab.test", "--data", data)
    assert done.returncode == 0, done.stderr
    assert "the root has no key usage" in done.stderr
    openssl("verify", "-CAfile", root, data / "pki/intermediate.crt")


SIGNED_BADLY = {
    "sha1": (("-sha1", "-copy_extensions", "copyall"), "", "is signed with SHA-1"),
    "no lists": ((), "keyUsage=critical,keyCertSign", "may not sign revocation lists"),
    "no usage": ((), "", "is not a CA's"),
    "no identifier": (
        (),
        "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=none",
        "no subject key identifier",
    ),
    "mail": ((), "keyUsage=critical,keyCertSign,cRLSign\nextendedKeyUsage=emailProtection", "do not permit servers"),
}


@pytest.mark.parametrize(("words", "extensions", "said"), SIGNED_BADLY.values(), ids=SIGNED_BADLY)
def test_an_intermediate_that_verifiers_would_refuse_is_refused(
    tmp_path: Path, words: tuple[str, ...], extensions: str, said: str
) -> None:
    root, data, made = Root(tmp_path), tmp_path / "data", tmp_path / "made.crt"
    assert run("init", "--root", root.file, "--domain", "lab.test", "--data", data).returncode == 0
    more: tuple[str | Path, ...] = words
    if not words:
        file = tmp_path / "extensions"
        file.write_text(f"basicConstraints=critical,CA:true,pathlen:0\n{extensions}\n")
        more = ("-extfile", file)
    request = data / "pki/intermediate.csr"
    openssl("x509", "-req", "-in", request, "-CA", root.file, "-CAkey", root.key_file, *more, "-out", made)
    done = run("ca", "install-intermediate", made, "--data", data)
    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (data / "pki/intermediate.crt").exists()


def test_other_mistakes_are_one_line_too(tmp_path: Path) -> None:
    root, data = Root(tmp_path), tmp_path / "data"
    other = Root(_folder(tmp_path / "other"))

    def refused(*words: str | Path, status: int = 1) -> str:
        done = run("init", *words, "--domain", "lab.test", "--data", data)
        assert done.returncode == status
        assert not data.exists()
        return done.stderr

    assert "is not that of the root's certificate" in refused("--root", root.file, "--root-key", other.key_file)
    assert "the key is missing" in refused("--root", root.file, "--root-key", tmp_path / "none")
    assert "the certificate is missing" in refused("--root", tmp_path / "none")
    assert "not a certificate in PEM" in refused("--root", root.key_file)
    assert "it belongs to a root" in refused("--root-key", root.key_file, status=2)
    assert "is not one of p256" in refused("--key-type", "dsa", status=2)
    assert "cannot be loaded" in refused("--key", "pkcs11:object=x?module-path=/none.so")


def test_a_domain_more_makes_the_intermediate_anew(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert run("init", "--domain", "lab.test", "--data", data).returncode == 0
    settings = data / "zonemint.toml"
    before = x509.load_pem_x509_certificate((data / "pki/intermediate.crt").read_bytes())
    settings.write_text('extra_domains = ["x.test"]\n' + settings.read_text().replace("extra_domains", "#"))
    with running(data):
        after = x509.load_pem_x509_certificate((data / "pki/intermediate.crt").read_bytes())
    assert after != before
    assert after.public_key() == before.public_key()
    assert after.subject == before.subject
    assert constraints.permitted_domains(after) == ("lab.test", "x.test", "localhost")
    # Without the root's key it has to be signed elsewhere.
    (data / "pki/root.key").unlink()
    settings.write_text(settings.read_text().replace('["x.test"]', '["x.test", "y.test"]'))
    refused = run("up", "--data", data)
    assert refused.returncode == 1
    assert "cannot issue for y.test: put the root's key back" in refused.stderr


def test_the_roots_key_leaves_the_machine(tmp_path: Path) -> None:
    data, away, password = tmp_path / "data", _folder(tmp_path / "usb") / "root.key", secret(tmp_path)
    assert run("init", "--domain", "lab.test", "--data", data).returncode == 0
    key = (data / "pki/root.key").read_bytes()
    assert "lies in the data folder" in run("ca", "offline-root", "--to", data / "x.key", "--data", data).stderr
    assert "cannot be written" in run("ca", "offline-root", "--to", tmp_path / "none/x", "--data", data).stderr
    assert (data / "pki/root.key").read_bytes() == key
    # Neither a second name of the file nor what an editor kept may stay behind.
    os.link(data / "pki/root.key", data / "linked")
    (data / "pki/root.key~").write_bytes(key)
    for copy in (data / "linked", data / "pki/root.key~"):
        assert (
            f"{copy}: this is a copy of the root's key"
            in run("ca", "offline-root", "--to", away, "--data", data).stderr
        )
        copy.unlink()
    assert not away.exists()
    done = run("ca", "offline-root", "--to", away, "--password-file", password, "--data", data)
    assert done.returncode == 0, done.stderr
    assert not (data / "pki/root.key").exists()
    assert b"ENCRYPTED" in away.read_bytes()
    assert keys.load_key(away, lambda: b"geheim").public_key() == keys.read_key(key, away).public_key()
    assert "the key is missing" in run("ca", "offline-root", "--to", away, "--data", data).stderr
    with running(data):
        assert [row["key"] for row in shown(data)] == ["pki/", "elsewhere"]
    # It comes back for as long as it is needed.
    shutil.copy(away, data / "pki/root.key")
    (data / "pki/root.key").chmod(0o600)
    assert [row["key"] for row in shown(data)] == ["pki/", "pki/"]


def test_a_constrained_root_is_opt_in(tmp_path: Path) -> None:
    assert run("init", "--domain", "lab.test", "--constrain-root", "--data", tmp_path).returncode == 0
    root = x509.load_pem_x509_certificate((tmp_path / "pki/root.crt").read_bytes())
    assert constraints.permitted_domains(root) == ("lab.test", "localhost")
    verified(tmp_path / "pki/root.crt", tmp_path / "pki/intermediate.crt")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
