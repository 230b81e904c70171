"""Memory that metrics may take for what saves them time, counted across all that one process has prepared."""

from __future__ import annotations

__all__ = ["Room"]


class Room:
    """Memory for what could be computed anew.

    Parameters
    ----------
    megabytes : float
        MiB that may be taken in all.

    Attributes
    ----------
    taken, wanted : int
        Bytes that were granted, and that would have been used had there been no limit.
    """

    def __init__(self, megabytes: float) -> None:
        self._bytes = megabytes * 2**20
        self.taken = self.wanted = 0

    def take(self, size: int) -> bool:
        """Take so many bytes where there are as many left; return whether there are."""
        self.wanted += size
        if self.taken + size > self._bytes:
            return False
        self.taken += size
        return True
