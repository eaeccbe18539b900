"""What the plugins of a Corefile become, and which are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zonemint.core.errors import ForeignDataError
from zonemint.importers.corefile import Corefile, translate
from zonemint.importers.corefile_text import read_blocks

ZONE = "@ 300 SOA ns1 hostmaster 1 3600 600 86400 60\n@ 300 NS ns1\nns1 300 A 192.0.2.1\n"


def translated(folder: Path, text: str) -> Corefile:
    (folder / "Corefile").write_text(text)
    return translate(read_blocks(folder / "Corefile", {}), "zufar.io")


def tree(folder: Path, text: str) -> dict[str, Any]:
    found = translated(folder, text)
    assert not found.refused, found.refused
    return found.tree


def refused(folder: Path, text: str) -> list[str]:
    return [f"{one.what.removeprefix(str(folder) + '/')}: {one.why}" for one in translated(folder, text).refused]


def test_the_corefile_of_a_lab(tmp_path: Path) -> None:
    """The one of the set-up that this program replaces: zones, the TXT server behind a forward, and the rest."""
    (tmp_path / "db.zufar.io").write_text(ZONE)
    found = translated(
        tmp_path,
        """
(common) {
    errors
    log
    reload 10s
}
zufar.io {
    import common
    file db.zufar.io
}
auth.zufar.io {
    forward . 127.0.0.1:5300
}
. {
    import common
    forward . 1.1.1.1 tls://9.9.9.9 {
        tls_servername dns.quad9.net
        policy sequential
        max_fails 3
        health_check 5s
    }
    cache 30 {
        prefetch 10
        serve_stale 1h
    }
    prometheus :9153
    health
    ready
    loop
}
""",
    )
    assert not found.refused
    assert found.zones == ((("zufar.io", tmp_path / "db.zufar.io")),)
    assert found.tree == {
        "forward": {
            "servers": ["1.1.1.1", "tls://dns.quad9.net@9.9.9.9"],
            "policy": "sequential",
            "max_fails": 3,
            "max_ttl": "30s",
            "max_negative_ttl": "30s",
            "prefetch": True,
            "serve_stale": "3600s",
        },
        "query_log": {"file": "-"},
        "dns": {"coredns_metrics": True},
    }
    assert any("the auth zone is answered here" in one.note for one in found.mapped)
    assert str(tmp_path / "Corefile") + ":9: file" in [one.theirs for one in found.mapped]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (". {\n forward . /etc/resolv.conf\n}\n", {"forward": {"servers": "system"}}),
        (
            "corp.test {\n forward . 10.0.0.1:5353 [::1]:54\n}\n",
            {"forward": {"zones": {"corp.test": ["10.0.0.1:5353", "[::1]:54"]}}},
        ),
        (
            ". {\n forward corp.test 10.0.0.1 {\n  force_tcp\n  except a.corp.test\n }\n}\n",
            {"forward": {"zones": {"corp.test": ["tcp://10.0.0.1"], "a.corp.test": "none"}}},
        ),
        (
            "x.test {\n secondary {\n  transfer from 10.0.0.1\n  transfer from 10.0.0.2:5353\n }\n}\n",
            {"zones": {"x.test": {"primaries": ["10.0.0.1", "10.0.0.2:5353"]}}},
        ),
        (
            "x.test {\n transfer {\n  to 10.0.0.9 10.0.0.8:5353\n }\n}\n",
            {
                "zones": {
                    "x.test": {"allow_transfer": ["10.0.0.9", "10.0.0.8"], "notify": ["10.0.0.9", "10.0.0.8:5353"]}
                }
            },
        ),
        ("x.test {\n transfer {\n  to *\n }\n}\n", {"zones": {"x.test": {"allow_transfer": ["any"]}}}),
        (
            ". {\n acl {\n  allow net 10.0.0.0/8 192.168.1.7\n  block\n }\n}\n",
            {"dns": {"allow": ["10.0.0.0/8", "192.168.1.7/32"], "denial": "refuse"}},
        ),
        # The first rule that fits counts, and who is in none is allowed.
        (". {\n acl {\n  block\n  allow net 10.0.0.0/8\n }\n}\n", {"dns": {"deny": ["any"], "denial": "refuse"}}),
        (". {\n acl {\n  allow net 10.0.0.0/8\n }\n}\n", {}),
        (". {\n acl {\n  allow\n  block net 10.0.0.0/8\n }\n}\n", {}),
        (
            ". {\n acl {\n  allow net 10.0.0.0/8\n  block net 192.0.2.0/24\n }\n}\n",
            {"dns": {"deny": ["192.0.2.0/24"], "denial": "refuse"}},
        ),
        (
            ". {\n acl {\n  block net 10.1.0.0/16\n  allow net 10.0.0.0/8\n  block net *\n }\n}\n",
            {"dns": {"allow": ["10.0.0.0/8"], "deny": ["10.1.0.0/16"], "denial": "refuse"}},
        ),
        (
            ". {\n acl {\n  drop type * net 10.66.0.0/16\n }\n}\n",
            {"dns": {"deny": ["10.66.0.0/16"], "denial": "ignore"}},
        ),
        (". {\n nsid lab dns\n chaos CoreDNS-1 me\n}\n", {"dns": {"nsid": "lab dns", "version": "CoreDNS-1"}}),
        (
            "a.test b.test {\n log {\n  class denial error\n }\n}\n",
            {"query_log": {"file": "-", "names": ["a.test", "b.test"], "classes": ["denial", "error"]}},
        ),
        (". {\n loadbalance round_robin\n minimal\n any\n bufsize 1232\n pprof\n}\n", {}),
        ("", {}),
        ("a.test:1053 b.test:1053 tls://b.test {\n}\n", {"listen": {"dns_port": 1053, "dot_port": 853}}),
        (". {\n log\n}\na.test {\n log\n}\n", {"query_log": {"file": "-"}}),
    ],
)
def test_plugins_become_settings(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    assert tree(tmp_path, text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.test {\n kubernetes cluster.local\n}\n", "Corefile:2: kubernetes cluster.local: names of a cluster"),
        ("a.test {\n dnssec {\n  key file k\n }\n}\n", "Corefile:2: dnssec: sign the zone anew"),
        ("a.test {\n rewrite name a b\n}\n", "Corefile:2: rewrite name a b: questions are not rewritten"),
        ("a.test {\n nonsense 1\n}\n", "Corefile:2: nonsense 1: there is nothing like it here"),
        (
            ". {\n forward . https://1.1.1.1\n}\n",
            "Corefile:2: forward . https://1.1.1.1: servers are not asked over https",
        ),
        (". {\n forward . 1.1.1.1 {\n  next SERVFAIL\n }\n}\n", "Corefile:3: next SERVFAIL"),
        (
            ". {\n forward . 1.1.1.1\n}\nx.test {\n forward . 1.1.1.1 {\n  policy random\n }\n}\n"
            "y.test {\n forward . 1.1.1.1 {\n  policy sequential\n }\n}\n",
            "Corefile:11: forward.policy",
        ),
        ("a.test:1053 {\n}\nb.test:2053 {\n}\n", "Corefile:3: listen.dns_port"),
        ("a.test {\n acl {\n  block type AAAA net *\n }\n}\n", "Corefile:3: block type AAAA net *"),
        (". {\n acl {\n  allow type A\n  block\n }\n}\n", "Corefile:3: allow type A"),
        (". {\n acl {\n  block type ANY net *\n }\n}\n", "Corefile:3: block type ANY net *"),
        (". {\n acl {\n  block file bad.txt\n }\n}\n", "Corefile:3: block file bad.txt"),
        (
            ". {\n acl {\n  allow net 10.1.0.0/16\n  block net 10.0.0.0/8\n }\n}\n",
            "Corefile:4: block net 10.0.0.0/8: a rule before it allows 10.1.0.0/16",
        ),
        (
            ". {\n acl {\n  allow net 10.0.0.0/8\n  block net 10.1.0.0/16\n  block\n }\n}\n",
            "Corefile:4: block net 10.1.0.0/16: a rule before it allows 10.0.0.0/8",
        ),
        (
            ". {\n acl {\n  block net 10.1.0.0/16\n  drop\n }\n}\n",
            "Corefile:2: acl: some clients are blocked and others dropped",
        ),
        (
            ". {\n acl {\n  block\n }\n acl {\n  allow net 10.0.0.0/8\n }\n}\n",
            "Corefile:5: acl: ",
        ),
        (". {\n bind eth0\n}\n", "Corefile:2: bind eth0: there is one address"),
        (". {\n hosts {\n  10.0.0.1 a.elsewhere.test b\n }\n}\n", "hosts: a.elsewhere.test, b: they lie in no zone"),
        ("x.test {\n tsig {\n  secret k. c2VjcmV0\n }\n}\n", "Corefile:3: secret k.: make a key"),
    ],
)
def test_what_would_change_answers_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    assert any(one.startswith(said) for one in refused(tmp_path, text)), refused(tmp_path, text)


def test_an_acl_of_which_something_is_refused_sets_nothing(tmp_path: Path) -> None:
    """The other rules alone would let in others, or shut out everybody."""
    for rules in ("allow type A net 10.0.0.0/8\n  block", "allow net 10.1.0.0/16\n  block net 10.0.0.0/8"):
        assert translated(tmp_path, f". {{\n acl {{\n  {rules}\n }}\n}}\n").tree == {}


def test_zone_files_of_a_folder_and_of_networks(tmp_path: Path) -> None:
    folder = tmp_path / "zones"
    folder.mkdir()
    for name in ("db.a.test", "db.b.test", "other", "db.c.example"):
        (folder / name).write_text(ZONE)
    found = translated(
        tmp_path, "test {\n auto {\n  directory zones\n  reload 1m\n }\n}\n10.1.0.0/16 {\n file zones/other\n}\n"
    )
    assert [one.origin for one in found.zones] == ["a.test", "b.test", "1.10.in-addr.arpa"]
    found = translated(
        tmp_path,
        ". {\n auto {\n  directory zones db\\.(.*)\\.(example) {1}.{2}\n }\n}\n2001:db8::/32 {\n file zones/other\n}\n",
    )
    assert [one.origin for one in found.zones] == ["c.example", "8.b.d.0.1.0.0.2.ip6.arpa"]


def test_hosts_inside_and_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("# names\n10.0.0.2 two.zufar.io\n")
    found = translated(
        tmp_path,
        ". {\n hosts more {\n  10.0.0.1 one.zufar.io ONE\n  ttl 60\n  fallthrough\n }\n}\n".replace(" ONE", ""),
    )
    assert found.hosts == ("# names", "10.0.0.2 two.zufar.io", "10.0.0.1 one.zufar.io")
    assert found.tree["dns"] == {"hosts": "hosts"}
    assert not found.refused


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.test {\n file gone\n}\n", r"Corefile:2: there is no file .*gone"),
        ("a.test {\n auto\n}\n", r"Corefile:2: auto takes a directory"),
        ("a..test {\n}\n", r"Corefile:1: 'a..test' is not a domain name"),
        ("quic://a.test {\n}\n", r"Corefile:1: .*DNS over quic is not spoken here"),
        ("10.0.0.0/99 {\n}\n", r"Corefile:1: '10.0.0.0/99' does not appear"),
        ("x.test {\n secondary\n}\n", r"Corefile:2: secondary takes"),
        ("x.test {\n secondary {\n  transfer from ns.example\n }\n}\n", r"Corefile:2: 'ns.example' is not an address"),
        (". {\n acl {\n  block net nonsense\n }\n}\n", r"Corefile:3: 'nonsense'"),
        (". {\n cache {\n  serve_stale soon\n }\n}\n", r"Corefile:3: 'soon' is no length of time"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ForeignDataError, match=said):
        translated(tmp_path, text)
