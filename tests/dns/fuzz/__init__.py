"""Mutated messages for a real server: none may stop it, none that is an answer may be answered, and no memory may go.

`python -m tests.dns.fuzz --packets 1000000` does for minutes what the test does for seconds.
"""
