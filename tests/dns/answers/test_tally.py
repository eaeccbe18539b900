"""What is counted, and that nobody can make it more than it is."""

from __future__ import annotations

from tests.dns.asking import TCP, UDP, ask, lab_catalog, question
from zonemint.dns.answers.requestor import Client, Transport
from zonemint.dns.answers.responder import Responder
from zonemint.dns.answers.tally import BOUNDS, Counted, Durations, add_up


def test_answers_are_counted_by_what_they_are() -> None:
    server = Responder(lab_catalog(lambda label: None))
    six = Client(bytes(15) + b"\1", 5300, Transport.TLS)
    for name, type_, client in (
        ("www.lab.test.", "A", UDP),
        ("WWW.lab.test.", "A", UDP),
        ("www.lab.test.", "A", TCP),
        ("www.lab.test.", "A", six),
        ("nothing.lab.test.", "TXT", UDP),
        ("nothing.auth.lab.test.", "TXT", UDP),
        ("www.lab.test.", "TYPE97", UDP),
        ("elsewhere.example.", "MX", UDP),
    ):
        server.respond(question(name, type_).to_wire(), client)
    server.respond(bytes(12), UDP)
    server.respond(b"\0\0\x28" + bytes(9), TCP)
    assert add_up([server.tallies.counts()]) == {
        Counted("lab.test.", "udp", "1", "A", "NOERROR"): 2,
        Counted("lab.test.", "tcp", "1", "A", "NOERROR"): 1,
        Counted("lab.test.", "tls", "2", "A", "NOERROR"): 1,
        Counted("lab.test.", "udp", "1", "TXT", "NXDOMAIN"): 1,
        Counted("auth.lab.test.", "udp", "1", "TXT", "NXDOMAIN"): 1,
        Counted("lab.test.", "udp", "1", "other", "NOERROR"): 1,
        Counted(".", "udp", "1", "MX", "REFUSED"): 1,
        Counted(".", "udp", "1", "other", "FORMERR"): 1,
        Counted(".", "tcp", "1", "other", "NOTIMP"): 1,
    }


def test_types_that_anybody_can_think_of_are_counted_together() -> None:
    server = Responder(lab_catalog())
    ask(server, "www.lab.test.")
    for number in range(1000, 3000):
        ask(server, "www.lab.test.", f"TYPE{number}")
    assert len(server.tallies.counts()) == 2
    assert len(server.tallies._of) == 1


def test_durations_are_counted_up_to_their_bounds() -> None:
    durations = Durations()
    durations.note(Transport.UDP, 0.0001, 64)
    durations.note(Transport.UDP, BOUNDS[0])
    durations.note(Transport.UDP, BOUNDS[0] * 1.5)
    durations.note(Transport.TCP, 60)
    read = durations.read()
    assert read[Transport.UDP].counts == [65, 1] + [0] * 15
    assert abs(read[Transport.UDP].total - (0.0064 + BOUNDS[0] * 2.5)) < 1e-9
    assert read[Transport.TCP].counts == [0] * 16 + [1]
