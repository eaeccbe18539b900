"""Counters of DNS at /metrics, as Prometheus reads them."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.server import DOMAIN, running


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_queries_are_counted_by_our_names_and_by_those_of_coredns(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    settings = f'domain = "{DOMAIN}"\n[dns]\ncoredns_metrics = true\n[forward]\nservers = "none"\n'
    (folder / "zonemint.toml").write_text(settings)
    with running(folder) as server:
        for _ in range(3):
            server.ask(f"ca.{DOMAIN}", "A")
        server.ask(f"nothing.{DOMAIN}", "AAAA", tcp=True)
        server.ask("elsewhere.example", "A")
        found = samples(server.fetch("/metrics").decode())
        place = f"dns://:{server.ports.dns}"

    def value(metric: str, **labels: str) -> float | None:
        return found.get((metric, frozenset(labels.items())))

    ours = {"zone": f"{DOMAIN}.", "proto": "udp", "family": "1", "type": "A"}
    assert value("zonemint_dns_requests_total", **ours) == 3
    assert value("coredns_dns_requests_total", server=place, view="", **ours) == 3
    assert value("zonemint_dns_responses_total", zone=f"{DOMAIN}.", proto="tcp", rcode="NXDOMAIN") == 1
    assert value("coredns_dns_responses_total", server=place, view="", zone=f"{DOMAIN}.", rcode="NXDOMAIN") == 1
    assert value("zonemint_dns_responses_total", zone=".", proto="udp", rcode="REFUSED") == 1
    assert value("zonemint_dns_request_duration_seconds_count", proto="udp") == 4
    assert value("coredns_dns_request_duration_seconds_bucket", server=place, zone=".", view="", le="+Inf") == 5
