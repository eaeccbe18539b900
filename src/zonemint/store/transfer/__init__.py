"""Whole stores: read from one snapshot, filled in one transaction, copied from one engine to the other."""
