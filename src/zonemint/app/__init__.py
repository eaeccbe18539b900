"""The running server: the only package that knows all the others, and wires them together."""
