from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonemint.core.errors import ForeignDataError
from zonemint.importers.acme_dns_config import load

CONFIG = """\
[general]
listen = "127.0.0.1:5353"
protocol = "both"
domain = "auth.lab.test"
nsname = "auth.lab.test"
nsadmin = "admin.lab.test"
records = [
    "auth.lab.test. A 192.0.2.1",
    "note.lab.test. 60 IN TXT \\"Keep The Case; of \\\\\\"me\\\\\\"\\"",
]
debug = false
[database]
engine = "sqlite3"
connection = "/var/lib/acme-dns/acme-dns.db"
[api]
ip = "0.0.0.0"
disable_registration = true
port = "8443"
tls = "cert"
tls_cert_privkey = "/etc/tls/key.pem"
corsorigins = ["*"]
use_header = true
[logconfig]
loglevel = "debug"
"""


def test_a_configuration_is_told_line_by_line(tmp_path: Path) -> None:
    (tmp_path / "config.cfg").write_text(CONFIG)

    config = load(tmp_path / "config.cfg")

    assert (config.domain, config.engine) == ("auth.lab.test", "sqlite")
    first, second = config.records
    assert (first.name, first.ttl, first.type, first.words) == ("auth.lab.test.", 3600, "A", ("192.0.2.1",))
    assert (second.ttl, second.type, second.words) == (60, "TXT", ('"Keep The Case; of \\"me\\""',))
    told = {one.theirs.partition(" = ")[0]: one.ours for one in config.settings}
    assert told["general.listen"] == 'listen.address = "127.0.0.1"\nlisten.dns_port = 5353'
    assert told["api.port"] == "listen.https_port = 8443"
    assert told["api.disable_registration"] == 'acmedns.registration = "closed"'
    assert told["api.tls_cert_privkey"] == 'listen.key = "/etc/tls/key.pem"'
    assert len(told) == 17


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "neither .general. nor .database."),
        ("x", "neither TOML nor a database"),
        ("[general]\ndomain = 5", "domain is no text"),
        ('[general]\ndomain = "auth.lab.test"\n[database]\nengine = "mysql"', "'mysql'"),
        ('[general]\ndomain = "auth.lab.test"\nrecords = 5\n[database]\nengine = "sqlite"', "no list of texts"),
    ],
)
def test_another_file_is_one_clear_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "config.cfg").write_text(text)

    with pytest.raises(ForeignDataError, match=reason):
        load(tmp_path / "config.cfg")


lines = st.sampled_from(CONFIG.splitlines()) | st.text(max_size=20)


@given(st.lists(lines).map("\n".join) | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_any_text_is_read_or_one_clear_line(text: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode("latin-1", "replace"))
        file.flush()
        said = ""
        try:
            load(Path(file.name))
        except ForeignDataError as error:
            said = str(error)
        assert said.isprintable()
