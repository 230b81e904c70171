"""Removing methods from a run folder."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from mss_bench.core.files import folder_name, json_text, write_atomic
from mss_bench.core.schema import FLOOR
from mss_bench.errors import RunError
from mss_bench.running.description import restricted
from mss_bench.running.lock import epoch, finalising, locked
from mss_bench.running.record import conditions_of, label_of, write_record
from mss_bench.running.store import cell_path, read_info, read_plan
from mss_bench.running.tables import rebuild

__all__ = ["remove"]


def remove(run: Path, labels: Collection[str], *, delete: bool = False) -> int:
    """Take methods out of the record of a run, and make its tables anew.

    Parameters
    ----------
    run : Path
    labels : collection of str
        Names of methods as tables have them, with parameters.
    delete : bool
        Delete their cells and kept estimates, too. Otherwise they stay on disk as a cache: the same command brings the
        methods back without computing them.

    Returns
    -------
    int
        Cells that were taken out.

    Raises
    ------
    RunError
        The floor is to go and others are to stay, or nothing would be left.
    """
    info = read_info(run)  # refuses what is no run before the lock makes a folder of it
    with locked(run), epoch(run), finalising(run):
        cells = read_plan(run)["cells"]
        gone = [cell for cell in cells if label_of(cell) in labels]
        left = [cell for cell in cells if label_of(cell) not in labels]
        if not left:
            raise RunError(f"nothing would be left in {run}; delete the folder instead")
        if FLOOR in labels:
            raise RunError(
                f"{FLOOR} is the floor that the other methods of {run} are measured by; it cannot be removed"
            )
        write_record(run, left, conditions_of(run))
        write_atomic(run / "run.json", json_text(restricted(info, left)))
        rebuild(run)
        if delete:
            used = {cell["estimate_key"] for cell in left}
            for cell in gone:
                if cell["estimate_key"] not in used:
                    cell_path(run, cell["estimate_key"]).unlink(missing_ok=True)
            for label in labels:
                shutil.rmtree(run / "estimates" / folder_name(label), ignore_errors=True)
        return len(gone)
