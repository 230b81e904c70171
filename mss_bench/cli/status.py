"""``mss-bench status``."""

from __future__ import annotations

from pathlib import Path

from mss_bench.cli.options import Action, Shared, verb
from mss_bench.core.parameters import param

__all__ = ["configure", "execute"]


class Status(Action):
    """Show how much of a run is done, failed and missing."""

    run: Path = Shared.run
    failures: bool = param(False, doc="Show the tracks and the traceback of every failure.")

    def execute(self) -> int:
        """Print it; the status is 1 where anything is missing or failed."""
        from mss_bench.running.status import run_status

        status = run_status(self.run)
        print(status.text(logs=self.failures))
        return 0 if status.whole else 1


configure, execute = verb(Status)
