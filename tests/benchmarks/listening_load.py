"""How a listening test's server does under load: everybody at once, and beside connections that send nothing.

Run: python tests/benchmarks/listening_load.py

Listeners are simulated: each agrees, answers three trials as fast as the server takes them, and fills in the
questionnaire; one answer in five is sent twice. The server is a process of its own, as the command starts it. Each
request's time is taken by the listener, on the same cores. Every row is checked: what was acknowledged is in the
database, once. Prints a Markdown table; the committed one stands in tests/benchmarks/README.md.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.listening.server.conftest import Running, write_pack
from tests.listening.server.test_load import TRIALS, idle_connections, simulate, stored

CASES = ((50, 0), (50, 1100), (200, 0), (500, 0))  # listeners at once, idle connections


def measure(folder: Path, listeners: int, idle: int) -> tuple[float, list[float]]:
    """Return the seconds until all are done, and those of each request."""
    pack = write_pack(folder / f"load_{listeners}_{idle}", ["multi"] * TRIALS, training=False, level=False)
    server = Running(pack, ("--listeners", str(listeners))).start()
    try:
        waiting = idle_connections(server.port, idle)
        begun = time.monotonic()
        people = simulate(server, patient=False)
        for one in people:
            one.join(600)
        took = time.monotonic() - begun
        for connection in waiting:
            connection.close()
        assert not [one.problem for one in people if one.problem]
        assert stored(server) == {(p.number, step): s for p in people for step, s in p.acknowledged.items()}
        assert sum(len(one.acknowledged) for one in people) == listeners * TRIALS
    finally:
        server.stop()
    return took, [seconds for one in people for seconds in one.took]


def main() -> None:
    """Print the table."""
    print("| listeners | idle connections | requests | s | median ms | 99 % within, ms |\n|--:|--:|--:|--:|--:|--:|")
    for listeners, idle in CASES:
        with tempfile.TemporaryDirectory() as folder:
            took, requests = measure(Path(folder), listeners, idle)
        median, most = np.quantile(requests, [0.5, 0.99]) * 1000
        print(f"| {listeners} | {idle:,} | {len(requests):,} | {took:.1f} | {median:.0f} | {most:.0f} |", flush=True)


if __name__ == "__main__":
    main()
