"""Plugins of CoreDNS that need no setting here, and those that are not here."""

from __future__ import annotations

__all__ = ["COSMETIC", "FOREIGN", "SAME"]

SAME = {
    "any": "ANY is answered with one record set always",
    "bufsize": "UDP answers have at most 1232 bytes, or what the client takes if that is less",
    "errors": "errors are in the log",
    "loop": "a server that leads back to us is noticed",
    "minimal": "answers have no more than they need",
    "reload": "zone files are looked at every second; settings need a restart",
    "root": "paths of zone files are taken as CoreDNS has them",
    "timeouts": "see dns.tcp_idle",
}
"""Plugins whose effect is there without a setting."""

COSMETIC = {
    "debug": "it helps developers of CoreDNS",
    "local": "names of nobody are answered here (forward.local_names)",
    "metadata": "nothing here reads it",
    "multisocket": "see dns.workers",
    "pprof": "it shows the inside of CoreDNS",
    "trace": "what it traces is CoreDNS",
}
"""Plugins that change no answer."""

FOREIGN = {
    "autopath": "search paths are the business of clients here",
    "azure": "zones are not taken from a cloud",
    "clouddns": "zones are not taken from a cloud",
    "dns64": "addresses are not made up for IPv6-only clients",
    "dnssec": "sign the zone anew: `zonemint dnssec enable`, then give the parent the new DS records",
    "dnstap": "queries are written down by [query_log] alone",
    "erratic": "it answers wrongly on purpose",
    "etcd": "records are not taken from etcd; `zonemint zone import` takes them once",
    "geoip": "answers do not depend on places",
    "grpc": "other servers are asked over UDP, TCP and TLS",
    "header": "flags of answers are not changed",
    "k8s_external": "names of a cluster are not answered; let its CoreDNS do that and forward its domain there",
    "kubernetes": "names of a cluster are not answered; let its CoreDNS do that and forward its domain there",
    "nomad": "names of a cluster are not answered; forward its domain to it",
    "rewrite": "questions are not rewritten; a CNAME or DNAME record says the same to all who ask",
    "route53": "zones are not taken from a cloud",
    "sign": "sign the zone anew: `zonemint dnssec enable`, then give the parent the new DS records",
    "template": "answers are not made up; a wildcard record says the same where all have the same data",
    "view": "write the networks of clients as [views.NAME], with the zone files of each in a folder",
    "whoami": "it answers every question with the client's address",
}
"""Plugins that change answers and are not here, and what to do instead."""
