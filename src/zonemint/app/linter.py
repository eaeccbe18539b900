"""Certificates are linted before they are signed: one of each shape, by a process that ends when it has told.

The linter takes a dozen megabytes and a third of a second to begin, which nobody should pay for who issues what was
linted already. So the server's process never loads it, and the process that does sees no key.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence

import msgspec
import structlog

from zonemint.core.errors import IssuanceError
from zonemint.pki import lint
from zonemint.pki.lint import Finding, Pair

__all__ = ["Linter"]

_PATIENCE = 30.0  # seconds for one run of the process
_SHAPES = 10_000

_log = structlog.get_logger()


class Linter:
    """Remembers which shapes are sound; what is not sound is linted anew each time, as it may be a name's fault."""

    def __init__(self) -> None:
        self._sound: set[Hashable] = set()
        self._running = asyncio.Lock()

    async def objection(self, shape: Hashable, make: Callable[[], Pair]) -> str:
        """Return why the certificate that is made must not be signed, or an empty text; see `acme.context.Lint`."""
        if shape in self._sound:
            return ""
        try:
            return (await self.objections({shape: make()}))[0]
        except IssuanceError as error:
            return str(error)

    async def objections(self, pairs: Mapping[Hashable, Pair]) -> list[str]:
        """Do the same for several at once; what cannot be linted must not be signed, either."""
        async with self._running:
            unknown = {shape: pair for shape, pair in pairs.items() if shape not in self._sound}
            try:
                found = await _lint(list(unknown.values())) if unknown else []
            except IssuanceError as error:
                _log.error("a certificate could not be linted, so it is not signed", why=str(error))
                return [str(error)] * len(pairs)
        said = dict.fromkeys(pairs, "")
        for shape, each in zip(unknown, found, strict=True):
            said[shape] = "; ".join(str(one) for one in each if one.grave)
            if said[shape]:
                _log.error("the linter refuses a certificate, so it is not signed", findings=[str(one) for one in each])
                continue
            if each:
                _log.warning("the linter warns about certificates", findings=[str(one) for one in each])
            if len(self._sound) >= _SHAPES:
                self._sound.clear()
            self._sound.add(shape)
        return list(said.values())


async def _lint(pairs: Sequence[Pair]) -> list[list[Finding]]:
    """Have another process lint certificates; raises IssuanceError when it does not tell."""
    # -P: a module in the current folder must not stand for one of ours.
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "zonemint.app.linter"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise IssuanceError(f"the linter cannot be started: {error.strerror}") from None
    complaint = b""
    try:
        async with asyncio.timeout(_PATIENCE):
            told, complaint = await process.communicate(msgspec.json.encode(pairs))
        found = msgspec.json.decode(told, type=list[list[Finding]])
        if process.returncode or len(found) != len(pairs):
            raise ValueError
    except (TimeoutError, ValueError, msgspec.MsgspecError) as error:
        why = "took too long" if isinstance(error, TimeoutError) else "failed"
        said = complaint[-500:].decode("utf-8", "replace")
        _log.error("the linter's process gave no answer", status=process.returncode, said=said)
        raise IssuanceError(f"the linter {why}; the log has the details") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return found


def _serve() -> None:
    """Be that process: certificates come as JSON on stdin, findings go to stdout."""
    pairs = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Pair])
    sys.stdout.buffer.write(msgspec.json.encode([lint.findings(pair) for pair in pairs]))


if __name__ == "__main__":
    _serve()
