"""Zones: their data, the files they are read from, and the catalog of them all."""
