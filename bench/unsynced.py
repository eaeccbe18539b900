"""The program `zonemint` with no wait for the disk, to show what the waits cost: `python -m bench.unsynced up ...`.

Nothing that such a server said survives a power cut, so no setting of ours does this.
"""

from __future__ import annotations

import os


def _pretend(descriptor: int) -> None:
    """Sync nothing."""


# Before the store is imported, which takes the function when it is.
os.fdatasync = _pretend  # type: ignore[assignment]

from zonemint.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
