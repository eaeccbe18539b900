"""The DNS server and its stub client: wire format, zones, lookup, sockets."""
