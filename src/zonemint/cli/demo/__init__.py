"""`zonemint demo`: the whole flow, with a real certbot and an independent verifier, in a folder that goes away."""

from zonemint.cli.demo.command import demo

__all__ = ["demo"]
