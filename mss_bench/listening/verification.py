"""What was written, measured again from the files, and the checklist of BS.1534-3.

Every file of a pack is read back. Its format, length, checksum, loudness and true peak must be what the manifest says;
the hidden reference must equal the open one; a signal that correlates with its reference must do so without lag; a
low-pass anchor must lie within its mask. Anything else is an error that names the file and what it is. What was
measured goes to the manifest, and the checklist is made of that: no point of it takes the design's word.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.dsp.loudness import integrated_loudness, true_peak
from mss_bench.errors import AudioError, ConfigError
from mss_bench.listening.pack_format import (
    Pack,
    Signal,
    Trial,
    key_folder,
    read_json,
    read_key,
    read_pack,
    write_json,
)
from mss_bench.listening.protocols import PROTOCOLS, Kind
from mss_bench.listening.ratings import Role, excerpt_of
from mss_bench.listening.stimuli import PEAK_LIMIT, SAMPLE_RATE
from mss_bench.report.table import CellValue, Table, TableCell

__all__ = ["THREADS", "Reference", "checklist", "verify_pack"]

THREADS = min(4, os.cpu_count() or 1)
"""Files of a pack that are worked on at a time."""

_LOUDNESS_LU = 0.1  # BS.1770 meters agree within this; the 24-bit files differ from what was computed by far less
_PEAK_DB = 0.1
_STOP_DB = 50.0  # of BS.1534-3's mask, 1 kHz above the cutoff
_ABOUT_10 = 8.0  # seconds that pass for "about 10"
_MAX_LAG = 0.05  # seconds
_CLEARLY = 1.2  # a correlation so many times that without lag is another alignment, not a chance


def verify_pack(folder: Path) -> None:
    """Verify a pack; note what was measured in its manifest, and write ``verification.md`` beside its key.

    Raises
    ------
    AudioError
        A file that is not what the manifest says, or a signal that is not aligned.
    ConfigError
        The pack, its key or manifest cannot be read.
    """
    pack, key, manifest = _read(folder)
    facts = manifest["files"]
    # The training page and other tasks play the same signals under other names.
    loudness: dict[str, dict[str, float]] = {}

    def check(trial: Trial) -> dict[str, dict[str, float]]:
        hidden = [f for f in trial.stimuli if key[f].role == Role.REFERENCE]
        file = trial.reference or next(iter(hidden), "")
        reference = Reference(audio.read(folder / file, SAMPLE_RATE)) if file else None
        values = {}
        for file in trial.files:
            checksum = facts[file]["sha256"]
            seconds, samples = _read_again(folder, file, key[file], checksum, trial)
            if checksum not in loudness:
                loudness[checksum] = _loudness(samples)
            values[file] = loudness[checksum] | {"seconds": seconds}
            if reference is not None:
                values[file] |= reference.compared(samples, key[file], partial(_fail, file, key[file]))
        return values

    with ThreadPoolExecutor(THREADS) as pool:
        measured = {file: values for found in pool.map(check, pack.trials) for file, values in found.items()}
    for file, values in measured.items():
        facts[file]["measured"] = values
        _check_loudness(file, key[file], facts[file]["lufs"], values)
    write_json(key_folder(folder) / "manifest.json", manifest)
    rows: list[list[CellValue]] = [
        [file, key[file].item, key[file].task, key[file].system, key[file].role or "beside", values["lufs"],
         TableCell.number(values["true_peak_dbtp"], 1), round(values.get("lag", 0))]
        for file, values in measured.items()
    ]  # fmt: skip
    headings = ["file", "item", "task", "signal", "role", "LUFS", "dBTP", "lag"]
    note = f"Every file was read back and measured: {len(rows)} files, 48 kHz, 24 bit, two channels, no lag."
    text = "\n".join([Table("Verification", headings, [rows], [note]).markdown(1), checklist(folder).markdown(1)])
    (key_folder(folder) / "verification.md").write_text(text, encoding="utf-8")


def _read(folder: Path) -> tuple[Pack, dict[str, Signal], dict[str, Any]]:
    path = key_folder(folder) / "manifest.json"
    return read_pack(folder), read_key(folder), read_json(path, f"{path} is missing: nothing tells what was written")


class Reference:
    """The reference of a trial; what is computed of it serves all other signals.

    Parameters
    ----------
    samples : (channels, samples) array
    most : int
        Samples to either side in which `lag` looks for an alignment.
    """

    def __init__(self, samples: NDArray[np.floating[Any]], most: int = round(_MAX_LAG * SAMPLE_RATE)) -> None:
        self.samples, self.most = samples, most

    def compared(
        self, samples: NDArray[np.float32], signal: Signal, fail: Callable[[str], NoReturn]
    ) -> dict[str, float]:
        """Measure a signal's lag, and how far an anchor's stop band is down."""
        if signal.role != Role.ANCHOR:
            if np.array_equal(samples, self.samples):
                return {"lag": 0}
            if signal.role == Role.REFERENCE:
                fail("is the hidden reference and differs from the open one")
            late = self.lag(samples)
            if abs(late) > 1 and signal.role == Role.TEST:
                side = "behind" if late > 0 else "before"
                fail(f"lies {late} samples {side} its reference: align the estimates first")
            return {"lag": late}
        # Anchors are made of the reference itself; their filters may move a maximum without any delay.
        if not signal.system.startswith("lowpass_"):
            return {}
        down = self.stop_band(samples, float(signal.system.removeprefix("lowpass_")))
        if down < _STOP_DB:
            fail(f"is only {down:.0f} dB down above its cutoff, expected {_STOP_DB:g}")
        return {"stop_band_db": down} if np.isfinite(down) else {}

    def lag(self, signal: NDArray[np.floating[Any]]) -> int:
        """Return by how many samples a signal is late; 0 where no other alignment is clearly better."""
        from scipy.fft import irfft, rfft

        correlation = irfft(rfft(signal.mean(axis=0), self._size) * self._conjugate, self._size)
        window = np.abs(np.concatenate([correlation[-self.most :], correlation[: self.most + 1]]))
        best = int(np.argmax(window)) - self.most
        return best if window[best + self.most] > _CLEARLY * window[self.most] else 0

    @cached_property
    def _size(self) -> int:
        from scipy.fft import next_fast_len

        # Cyclic, but so long that what comes round does not reach the lags that are looked at.
        return int(next_fast_len(self.samples.shape[-1] + self.most, real=True))

    @cached_property
    def _conjugate(self) -> NDArray[np.complexfloating[Any, Any]]:
        from scipy.fft import rfft

        return np.asarray(rfft(self.samples.mean(axis=0), self._size).conj())

    def stop_band(self, samples: NDArray[np.float32], cutoff: float) -> float:
        """Return by how many dB an anchor is down from 1 kHz above its cutoff on, against its pass band.

        Infinite where the reference itself has nothing there that 24 bits could show.
        """
        frequencies = np.fft.rfftfreq(samples.shape[-1], 1 / SAMPLE_RATE)
        passed, stopped = frequencies < 0.9 * cutoff, frequencies > cutoff + 1000
        whole, above = self._power[passed].sum(), self._power[stopped].sum()
        if above <= 1e-9 * whole:  # 24 bits' own noise is no further down
            return np.inf
        power = _power(samples)
        return float(10 * np.log10(power[passed].sum() / whole * above / max(power[stopped].sum(), 1e-12 * above)))

    @cached_property
    def _power(self) -> NDArray[np.floating[Any]]:
        return _power(self.samples)


def _power(samples: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    # Without a window the leakage of a loud bass would reach the stop band.
    spectrum = np.fft.rfft(samples * np.hanning(samples.shape[-1]), axis=-1)
    return np.asarray(np.square(np.abs(spectrum)).sum(axis=0))


def _fail(file: str, signal: Signal, what: str) -> NoReturn:
    raise AudioError(f"{file} ({signal.system}, {signal.item}): {what}")


def _loudness(samples: NDArray[np.float32]) -> dict[str, float]:
    lufs = integrated_loudness(samples, SAMPLE_RATE)
    return {"true_peak_dbtp": true_peak(samples, SAMPLE_RATE), "lufs": lufs}


def _check_loudness(file: str, signal: Signal, wanted: float, measured: dict[str, float]) -> None:
    peak, loudness = measured["true_peak_dbtp"], measured["lufs"]
    if peak > PEAK_LIMIT + _PEAK_DB:
        _fail(file, signal, f"has a true peak of {peak:.2f} dBTP, expected at most {PEAK_LIMIT:g}")
    # Below -70 LUFS the gate leaves no block, and the two numbers mean nothing.
    if abs(loudness - wanted) > _LOUDNESS_LU and max(loudness, wanted) > -70:
        _fail(file, signal, f"reads {loudness:.2f} LUFS, expected {wanted:.2f}")


def _read_again(
    folder: Path, file: str, signal: Signal, checksum: str, trial: Trial
) -> tuple[float, NDArray[np.float32]]:
    """Return the seconds and samples of a file; raise where it is not what was written."""
    import soundfile

    info = soundfile.info(str(folder / file))
    wanted = round(trial.seconds * SAMPLE_RATE)
    if (info.samplerate, info.channels, info.subtype, info.frames) != (SAMPLE_RATE, 2, "PCM_24", wanted):
        _fail(file, signal, f"{info.samplerate} Hz, {info.channels} channels, {info.subtype}, {info.frames} samples; "
              f"expected {SAMPLE_RATE}, 2, PCM_24 and {wanted}")  # fmt: skip
    if audio.hash_file(folder / file) != checksum:
        _fail(file, signal, "was changed since it was written: its checksum is another")
    return info.frames / SAMPLE_RATE, audio.read(folder / file, SAMPLE_RATE)


def checklist(folder: Path) -> Table:
    """Compare a pack with BS.1534-3, point by point, by what was measured on its files.

    Raises
    ------
    ConfigError
        The pack, its key or manifest cannot be read, or it was not verified.
    """
    pack, key, manifest = _read(folder)
    design, chosen = manifest["design"], PROTOCOLS[pack.protocol]
    measured = {file: manifest["files"][file].get("measured") for file in key}
    if None in measured.values():
        raise ConfigError(f"{folder} was not verified by this version; make the pack again, with --key for its names")
    rated = pack.rated
    systems = {s.system for s in key.values() if s.role == Role.TEST}
    items = {excerpt_of(key[t.stimuli[0]].item) for t in rated}  # of which a remix test makes several each
    hidden = sum(any(key[file].role == Role.REFERENCE for file in trial.stimuli) for trial in rated)
    seconds = [measured[f]["seconds"] for t in rated for f in t.files]
    wanted = max(5, int(np.ceil(1.5 * len(systems))))
    orders = {tuple((s.trial, *s.stimuli) for s in steps) for steps in pack.configurations}
    again = [sum(step.replicate for step in steps) for steps in pack.configurations]
    known = {name for task in chosen.tasks for name in task.anchors} | {signal.system for signal in key.values()}
    sliders = chosen.kind is Kind.MULTI
    # A line that a protocol cannot meet, or must meet by its nature, says nothing of the pack.
    points = [
        ("excerpts of about 10 s, at most 12 s", all(_ABOUT_10 <= s <= 12 for s in seconds), f"{max(seconds):g} s"),
        ("at least max(5, 1.5 x systems) items", len(items) >= wanted, f"{len(items)} of {wanted}"),
        *[("a hidden reference in every trial", hidden == len(rated), f"{hidden} of {len(rated)}")] * sliders,
        *(_anchor(name, rated, key, measured) for name in ("lowpass_3500", "lowpass_7000") if name in known),
        _aligned(rated, key, measured, design["loudness"]["mode"]),
        ("an order of its own for each listener", len(orders) == len(pack.configurations),
         f"{len(orders)} for {len(pack.configurations)}"),
        ("replicated trials", min(again) > 0, f"{min(again)} for each listener"),
    ]  # fmt: skip
    source = f" ({chosen.source})" if chosen.source else ""
    peak = max(values["true_peak_dbtp"] for values in measured.values())
    notes = [f"Nothing was limited or clipped: the highest true peak is {peak:.1f} dBTP."]
    if chosen.source != "ITU-R BS.1534-3":
        notes.append(f"The test follows {chosen.title}{source}: for information.")
    if beside := _mixture_beside(rated, measured):
        notes.append(beside)
    return Table("Checklist of ITU-R BS.1534-3", ["point", "met", "found"], [points], notes, name="checklist")


Measured = dict[str, dict[str, float]]


def _anchor(name: str, rated: Sequence[Trial], key: dict[str, Signal], measured: Measured) -> tuple[str, bool, str]:
    """Say in how many trials a low-pass anchor is, and how far its stop band is down at least."""
    files = [[f for f in t.stimuli if (key[f].system, key[f].role) == (name, Role.ANCHOR)] for t in rated]
    there = sum(map(bool, files))
    down = [measured[f]["stop_band_db"] for own in files for f in own if "stop_band_db" in measured[f]]
    kind = {"lowpass_3500": "low anchor, 3.5 kHz", "lowpass_7000": "mid anchor, 7 kHz"}[name]
    told = f"{there} of {len(rated)} trials" + (f", {min(down):.0f} dB down" if down else "")
    return kind, there == len(rated), told


def _aligned(rated: Sequence[Trial], key: dict[str, Signal], measured: Measured, mode: str) -> tuple[str, bool, str]:
    """Say how far apart the loudness of the signals of an item is."""
    loudness: dict[str, list[float]] = {}
    for trial in rated:
        for file in filter(None, [*trial.stimuli, trial.reference]):
            loudness.setdefault(key[file].item, []).append(measured[file]["lufs"])
    spread = max(np.ptp(values) for values in loudness.values())
    told = f"within {spread:.2f} LU" + ("" if mode == "match" else ", not aligned by choice (mode: preserve)")
    return "loudness of an item's rated signals aligned", bool(spread <= 2 * _LOUDNESS_LU), told


def _mixture_beside(rated: Sequence[Trial], measured: Measured) -> str:
    """Say how loud the mixtures are that can be listened to, unrated."""
    louder = [measured[t.mixture]["lufs"] - measured[t.reference]["lufs"] for t in rated if t.mixture and t.reference]
    if not louder:
        return ""
    return (
        "The mixture that can be listened to beside is not rated, and not aligned: it is as loud as around its target, "
        f"{min(louder):+.1f} to {max(louder):+.1f} LU against the reference."
    )
