"""Dictionaries of spectra: what supervised factorisation has learned, as a file."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core.parameters import Parameterized, param
from mss_bench.core.tracks import Track
from mss_bench.dsp.nmf import DIVERGENCES, factorise, normalised, random_factors
from mss_bench.dsp.stft import STFT
from mss_bench.errors import ConfigError

__all__ = ["Dictionary", "Learning", "learn"]

# Frames of a stem whose mean magnitude is below this share of its loudest are not learned from.
_SILENCE = 1e-3


@dataclass(frozen=True)
class Dictionary:
    """Hold the spectra of each kind of source.

    Parameters
    ----------
    spectra : dict of str to (components, bins) float32
        Each spectrum has a mean of 1. Powers for Itakura-Saito, else magnitudes.
    sample_rate : int
        Hz.
    n_fft, hop : int
        Samples.
    divergence : str
        ``euclidean``, ``kl`` or ``is``.
    trained_on : tuple of str
        ``"data set/subset"`` of what it was learned from.
    """

    spectra: dict[str, NDArray[np.float32]]
    sample_rate: int
    n_fft: int
    hop: int
    divergence: str
    trained_on: tuple[str, ...]

    @property
    def beta(self) -> int:
        """Return the beta of the divergence."""
        return DIVERGENCES[self.divergence]

    def at(self, sample_rate: int) -> tuple[STFT, dict[str, NDArray[np.float32]]]:
        """Return frames of the same duration at another rate, and the spectra at their frequencies."""
        if sample_rate == self.sample_rate:
            return STFT(self.n_fft, self.hop), self.spectra
        ratio = sample_rate / self.sample_rate
        n_fft = max(2, 2 * round(self.n_fft * ratio / 2))
        stft = STFT(n_fft, min(max(1, round(self.hop * ratio)), n_fft // 2))
        own, wanted = STFT(self.n_fft, self.hop).frequencies(self.sample_rate), stft.frequencies(sample_rate)
        return stft, {
            name: np.stack([np.interp(wanted, own, spectrum) for spectrum in spectra]).astype(np.float32)
            for name, spectra in self.spectra.items()
        }

    def save(self, path: str | Path) -> None:
        """Write a compressed NumPy archive without pickled objects; spectra have 16 bits."""
        arrays = {f"spectra_{k}": own.astype(np.float16) for k, own in enumerate(self.spectra.values())}
        arrays |= {name: np.array(getattr(self, name)) for name in ("sample_rate", "n_fft", "hop", "divergence")}
        arrays |= {"names": np.array(list(self.spectra)), "trained_on": np.array(self.trained_on, dtype=np.str_)}
        with open(path, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def read(cls, path: str | Path) -> Dictionary:
        """Read what `save` wrote.

        Raises
        ------
        ConfigError
            The file is missing or is not such a dictionary.
        """
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
                # 16 bits hold nothing below 6e-8, and what is multiplied must be above zero.
                spectra = {
                    str(name): np.maximum(archive[f"spectra_{k}"].astype(np.float32), np.float32(1e-7))
                    for k, name in enumerate(archive["names"])
                }
                sample_rate, n_fft, hop = (int(archive[name]) for name in ("sample_rate", "n_fft", "hop"))
                trained_on = tuple(map(str, archive["trained_on"]))
                dictionary = cls(spectra, sample_rate, n_fft, hop, str(archive["divergence"]), trained_on)
            dictionary._check()
        except FileNotFoundError:
            raise ConfigError(
                f"nmf_supervised: dictionary {path} does not exist; make one with learn(...).save(path)"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise ConfigError(
                f"nmf_supervised: {path} is not a dictionary: {error}; expected what learn(...).save(path) writes"
            ) from error
        return dictionary

    def _check(self) -> None:
        bins = STFT(self.n_fft, self.hop).bins
        if self.divergence not in DIVERGENCES or len(self.spectra) < 2:
            raise ValueError(f"divergence {self.divergence!r}, sources {list(self.spectra)}")
        for name, spectra in self.spectra.items():
            if spectra.ndim != 2 or spectra.shape[1] != bins or not len(spectra) or not np.isfinite(spectra).all():
                raise ValueError(f"spectra of {name} have the shape {spectra.shape} or hold NaN, expected {bins} bins")


class Learning(Parameterized):
    """Say how a dictionary is learned."""

    name = "learn"

    components: int = param(24, at_least=1, doc="Number of spectra of each stem.")
    divergence: str = param("kl", choices=tuple(DIVERGENCES), doc="Divergence of the model that the updates lessen.")
    iterations: int = param(100, at_least=1, doc="Number of updates.")
    frames: int = param(
        20000,
        at_least=1,
        doc="Greatest number of frames of each stem; spread evenly over the tracks and drawn at random from each.",
    )
    n_fft: int = param(4096, at_least=2, unit="samples", doc="Length of the frames, even.")
    hop: int = param(1024, at_least=1, unit="samples", doc="Step from frame to frame.")
    seed: int = param(0, at_least=0, doc="Seed of the drawing and of the random spectra from which learning starts.")


def learn(tracks: Sequence[Track], **options: Any) -> Dictionary:
    """Learn a dictionary from the stems of a train split.

    Parameters
    ----------
    tracks : sequence of Track
        Of one sample rate and the same stems, read one after another; never those on which the dictionary is tested.
    **options
        Those of `Learning`.

    Raises
    ------
    ConfigError
        No tracks, tracks of different rates or stems, or a stem that is silent in all of them.

    Examples
    --------
    A dictionary of MUSDB18's train split, for use as ``nmf_supervised:dictionary=musdb.npz``::

        from mss_bench.datasets.catalog import load_catalog
        from mss_bench.separators.nmf_supervised import learn

        learn(load_catalog()["musdb18hq"].tracks("train")).save("musdb.npz")
    """
    how = Learning(**options)
    if not tracks:
        raise ConfigError("learn: no tracks; expected at least one of a train split")
    rates = {track.sample_rate for track in tracks}
    if len(rates) > 1:
        raise ConfigError(f"learn: tracks of {', '.join(map(str, sorted(rates)))} Hz; expected one sample rate")
    names = list(tracks[0].stems)
    for track in tracks:
        if list(track.stems) != names:
            raise ConfigError(f"learn: track {track.name!r} has the stems {list(track.stems)}, expected {names}")
    if how.frames < len(tracks):
        how.refuse("frames", f"one for each of the {len(tracks)} tracks at least")
    stft, rng, beta = STFT(how.n_fft, how.hop), np.random.default_rng(how.seed), DIVERGENCES[how.divergence]
    parts: dict[str, list[NDArray[np.float32]]] = {name: [] for name in names}
    for track in tracks:
        for name, stem in track.load().references.items():
            parts[name].append(_frames(stem, stft, how.frames // len(tracks), rng))
    spectra = {}
    for name, frames_of_stem in parts.items():
        magnitude = np.concatenate(frames_of_stem)
        if not len(magnitude):
            raise ConfigError(
                f"learn: {name} is silent in all of the {len(tracks)} tracks; nothing can be learned of it"
            )
        v = normalised(magnitude[None], beta)
        factors = random_factors(v, how.components, rng)
        factorise(v, factors, beta, how.iterations)
        spectra[name] = factors.w
    subsets = dict.fromkeys(f"{track.id.dataset}/{track.id.subset}" for track in tracks)
    return Dictionary(spectra, rates.pop(), how.n_fft, how.hop, how.divergence, tuple(subsets))


def _frames(stem: NDArray[np.float32], stft: STFT, count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw at most `count` audible frames of a stem, divided by their mean so that no song outweighs the others."""
    magnitude: NDArray[np.float32] = np.abs(stft.forward(stem)).mean(axis=0)
    level = magnitude.mean(axis=-1)
    audible = np.flatnonzero(level > _SILENCE * level.max(initial=0.0))
    drawn = np.sort(rng.choice(audible, min(count, audible.size), replace=False))
    kept: NDArray[np.float32] = magnitude[drawn]
    if drawn.size:
        kept /= kept.mean()
    return kept
