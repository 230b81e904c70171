"""The frames of one track, read without the rest of the frame table."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.core.schema import FRAME_COLUMNS
from mss_bench.errors import RunError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FRAME", "frames_of_track"]

FRAME = ["dataset", "subset", "track", "separator", "params", "group", "target", "metric", "preset", "frame"]
"""What a row of the frame table is known by."""


def frames_of_track(paths: Sequence[Path], track: str, **where: str) -> pd.DataFrame:
    """Read the frames of one track from frame tables.

    Row groups that hold no such row are never read, and those that do one after the other: a table of a hundred million
    frames takes no more memory than one group of it.

    Parameters
    ----------
    paths : sequence of Path
        ``frames.parquet`` of one or more runs over the same data; a frame that several have is taken from the first.
    track : str
    **where
        Further columns and what they must hold: ``target="vocals"``, ``metric="SDR"``, ...

    Returns
    -------
    DataFrame
        Columns of `mss_bench.core.schema.FRAME_COLUMNS`; text columns as strings.

    Raises
    ------
    RunError
        A table is missing or damaged, or has no such column.
    """
    import pandas as pd

    wanted = {"track": track} | where
    unknown = [name for name in wanted if name not in FRAME_COLUMNS]
    if unknown:
        raise RunError(f"frames have no column {unknown[0]!r}; expected some of {', '.join(FRAME_COLUMNS)}")
    text = {name: "string" for name, kind in FRAME_COLUMNS.items() if kind == "string"}
    parts = [part.astype(text) for path in paths for part in _parts(path, wanted)]
    if not parts:
        return pd.DataFrame(columns=list(FRAME_COLUMNS)).astype(FRAME_COLUMNS)
    return pd.concat(parts, ignore_index=True).drop_duplicates(FRAME, ignore_index=True)


def _parts(path: Path, wanted: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        condition = ds.scalar(True)
        for name, value in wanted.items():
            condition &= ds.field(name) == value
        # One group at a time, and none ahead: memory stays that of a group.
        scanner = ds.dataset(path, format="parquet").scanner(filter=condition, batch_readahead=1, fragment_readahead=1)
        yield from (batch.to_pandas() for batch in scanner.to_batches() if batch.num_rows)
    except FileNotFoundError:
        rebuild = f"mss-bench results rebuild {shlex.quote(str(path.parent))}"
        raise RunError(f"{path} does not exist; make it with: {rebuild}") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise RunError(
            f"{path} is damaged ({error}); make it anew with: mss-bench results rebuild {shlex.quote(str(path.parent))}"
        ) from error
