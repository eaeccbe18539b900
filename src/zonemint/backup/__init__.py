"""Backups: a data folder and its store in one file, made while the server runs, and verified before it is used."""
