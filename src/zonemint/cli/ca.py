"""`zonemint ca`: the authority's own certificates and keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zonemint.cli.options import DataOption, JsonOption
from zonemint.cli.rotation import left_to_do, rotate_intermediate, rotate_root

if TYPE_CHECKING:
    from cryptography import x509

    from zonemint.config import Config, DataDir
    from zonemint.pki.key_source import KeySource

__all__ = ["app"]

app = typer.Typer(help="The authority's own certificates and keys.", no_args_is_help=True)
app.command("rotate-intermediate")(rotate_intermediate)
app.command("rotate-root")(rotate_root)

PasswordOption = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="The file with the password.")
]


@app.command("show")
def show(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Show roots and issuers: fingerprints, dates, limits, kinds of keys, and where the keys are."""
    import time

    from zonemint.cli.output import say, show_table
    from zonemint.pki import authority
    from zonemint.pki.folder import root_key_file

    folder, config, source = _opened(data)
    found = authority.load(folder.pki, now=time.time(), needs_key=False, source=source)
    rows = []
    for number, issuer in enumerate(found.issuers):
        where = "elsewhere"
        if issuer.can_sign:
            where = config.ca.key if config.ca.key and number == 0 else "pki/"
        rows.append(_row(issuer.certificate, "issuer" if number == 0 else "earlier issuer", where, issuer.key_id))
    for number, root in enumerate(found.roots):
        key = root_key_file(folder.pki, root)
        is_here = key.exists() and (number == 0 or key.parent != folder.pki)
        rows.append(_row(root, "root", f"{key.parent.relative_to(folder.path)}/" if is_here else "elsewhere", ""))
    show_table(rows, ["role", "name", "not_after", "key_type", "key", "sha256"], as_json=as_json)
    for line in left_to_do(folder.pki, found):
        say(line)


@app.command("csr")
def csr(data: DataOption = None) -> None:
    """Print a request for the intermediate, with the domains of the settings, to be signed by the root elsewhere."""
    from cryptography.hazmat.primitives.serialization import Encoding

    from zonemint.pki.hierarchy import make_request
    from zonemint.pki.keys import FileSigner

    folder, config, source = _opened(data)
    key = source.in_token() or source.read(folder.pki / "intermediate.key")
    name = f"{config.name} Intermediate CA"
    request = make_request(FileSigner(key), common_name=name, domains=config.domains)
    print(request.public_bytes(Encoding.PEM).decode(), end="")


@app.command("install-intermediate")
def install_intermediate(
    certificate: Annotated[
        Path, typer.Argument(metavar="CERT", help="The certificate in PEM, followed by those between it and the root.")
    ],
    data: DataOption = None,
) -> None:
    """Install an intermediate that was signed elsewhere; a running server takes it up at once."""
    import time

    from zonemint.cli.output import say
    from zonemint.pki.brought import install_intermediate as install

    folder, config, source = _opened(data)
    made = install(folder.pki, certificate, domains=config.domains, source=source, now=time.time())
    say(f"installed {made.subject.rfc4514_string()}, which issues until {made.not_valid_after_utc:%Y-%m-%d}")


@app.command("offline-root")
def offline_root(
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="Where the key goes, on a medium that you keep.")],
    password_file: PasswordOption = None,
    data: DataOption = None,
) -> None:
    """Move the root's key off this machine: write it elsewhere, read it back, and only then remove it here.

    With --password-file what is written is encrypted. It comes back with `cp FILE pki/root.key`.
    """
    from zonemint.cli.output import say, show_facts
    from zonemint.pki.offline import move_root_key
    from zonemint.pki.passwords import read_secret

    folder, _, source = _opened(data)
    password = read_secret(password_file) if password_file else None
    root = move_root_key(folder.pki, to, source, password)
    show_facts({"root_key": to, "encrypted": password is not None, "root_sha256": root}, as_json=False)
    say(f"{folder.pki / 'root.key'} is gone; copies in backups and snapshots are yours to find")


def _opened(data: Path | None) -> tuple[DataDir, Config, KeySource]:
    from zonemint.config import DataDir, data_dir, load
    from zonemint.pki.key_source import key_source

    folder = DataDir(data_dir(data))
    config = load(folder.config)
    return folder, config, key_source(config, folder.path)


def _row(certificate: x509.Certificate, role: str, where: str, key_id: str) -> dict[str, object]:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    from zonemint.core.clock import rfc3339
    from zonemint.pki.constraints import permitted_domains
    from zonemint.pki.keys import kind_of

    return {
        "role": role,
        "name": certificate.subject.rfc4514_string(),
        "key_id": key_id,
        "not_before": rfc3339(certificate.not_valid_before_utc.timestamp()),
        "not_after": rfc3339(certificate.not_valid_after_utc.timestamp()),
        "key_type": kind_of(certificate.public_key()),
        "key": where,
        "domains": permitted_domains(certificate),
        "path_length": certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length,
        "serial": f"{certificate.serial_number:x}",
        "sha256": certificate.fingerprint(SHA256()).hex(),
    }
