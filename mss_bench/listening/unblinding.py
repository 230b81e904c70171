"""What the blinded names of a pack mean, as other players write them."""

from __future__ import annotations

from pathlib import Path

from mss_bench.errors import ConfigError
from mss_bench.listening.pack_format import Pack, Signal, Trial, read_key, read_pack
from mss_bench.listening.rating_table import RatingsError
from mss_bench.listening.ratings import Role

__all__ = ["Key"]


class Key:
    """The key of a pack.

    Parameters
    ----------
    folder : Path
        The pack, its key beside it.

    Raises
    ------
    ConfigError
        The pack or its key is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pack: Pack = read_pack(folder)
        self._key = read_key(folder)
        self._trials = {t.id: t for t in self.pack.trials}
        casts = [_cast(name) for name in self._trials]
        self._changed = {_cast(name): t for name, t in self._trials.items() if casts.count(_cast(name)) == 1}
        missing = [f for t in self.pack.trials for f in t.stimuli if f not in self._key]
        if missing:
            raise ConfigError(f"the key of {folder} lacks {missing[0]}: it belongs to another pack")

    def trial(self, name: str, place: str) -> Trial:
        """A trial by its id, also as pymushra's casts leave it."""
        found = self._trials.get(name) or self._changed.get(name)
        if found is None:
            raise RatingsError(f"{place}: {self.folder} has no trial {name!r}; is it the pack of this test?")
        return found

    def signal(self, trial: Trial, name: str, place: str) -> Signal:
        """A signal of a trial; ``reference`` is the hidden one."""
        hidden = [f for f in trial.stimuli if self._key[f].role == Role.REFERENCE]
        stems = {Path(file).stem: file for file in trial.stimuli}
        cast = [file for stem, file in stems.items() if _cast(stem) == name]
        found = stems.get(name) or (hidden[0] if name == "reference" and hidden else None)
        if found is None and len(cast) == 1:
            found = cast[0]
        if found is None:
            raise RatingsError(
                f"{place}: trial {trial.id} of {self.folder} has no signal {name!r}; nothing was written"
            )
        return self._key[found]


def _cast(text: str) -> str:
    """A blinded name as pymushra stores it: one of digits, or digits around an e, becomes a number."""
    for kind in (int, float):
        try:
            return str(kind(text))
        except ValueError:
            pass
    return text
