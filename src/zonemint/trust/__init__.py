"""Roots in the stores of a client machine: which may be trusted, and how each kind of store is read and changed."""
