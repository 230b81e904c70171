"""What was written, measured again from the files, and the checklist of BS.1534-3.

Every file of a pack is read back. Its format, length, checksum, loudness and true peak must be what the manifest says;
the hidden reference must equal the open one; a signal that correlates with its reference must do so without lag; a
low-pass anchor must lie within its mask. Anything else is an error that names the file and what it is.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mss_bench.core import audio
from mss_bench.dsp.loudness import integrated_loudness, true_peak
from mss_bench.errors import AudioError
from mss_bench.listening.pack_format import Pack, Signal, Trial, key_folder, read_json, read_key, read_pack
from mss_bench.listening.protocols import MAX_SIGNALS, PROTOCOLS
from mss_bench.listening.ratings import Role
from mss_bench.listening.stimuli import PEAK_LIMIT, SAMPLE_RATE
from mss_bench.report.table import CellValue, Table, TableCell

__all__ = ["THREADS", "checklist", "lag", "verify_pack"]

THREADS = min(4, os.cpu_count() or 1)
"""Files of a pack that are worked on at a time."""

_LOUDNESS_LU = 0.1  # BS.1770 meters agree within this; the 24-bit files differ from what was computed by far less
_PEAK_DB = 0.1
_MAX_LAG = 0.05  # seconds
_CLEARLY = 1.2  # a correlation so many times that without lag is another alignment, not a chance


def verify_pack(folder: Path) -> None:
    """Verify a pack and write ``verification.md`` beside its key.

    Raises
    ------
    AudioError
        A file that is not what the manifest says, or a signal that is not aligned.
    ConfigError
        The pack, its key or manifest cannot be read.
    """
    pack, key, manifest = _read(folder)

    def check(trial: Trial) -> list[list[CellValue]]:
        hidden = [f for f in trial.stimuli if key[f].role == Role.REFERENCE]
        file = trial.reference or next(iter(hidden), "")
        reference = audio.read(folder / file, SAMPLE_RATE) if file else None
        return [_check(folder, f, key[f], manifest["files"][f], trial, reference) for f in trial.files]

    with ThreadPoolExecutor(THREADS) as pool:
        rows = [row for rows in pool.map(check, pack.trials) for row in rows]
    headings = ["file", "item", "task", "signal", "role", "LUFS", "dBTP", "lag"]
    note = f"Every file was read back and measured: {len(rows)} files, 48 kHz, 24 bit, two channels, no lag."
    text = "\n".join([Table("Verification", headings, [rows], [note]).markdown(1), checklist(folder).markdown(1)])
    (key_folder(folder) / "verification.md").write_text(text, encoding="utf-8")


def _read(folder: Path) -> tuple[Pack, dict[str, Signal], dict[str, Any]]:
    path = key_folder(folder) / "manifest.json"
    return read_pack(folder), read_key(folder), read_json(path, f"{path} is missing: nothing tells what was written")


def lag(signal: NDArray[np.floating[Any]], reference: NDArray[np.floating[Any]], most: int) -> int:
    """Return by how many samples a signal is late; 0 where no other alignment is clearly better.

    Parameters
    ----------
    signal, reference : (channels, samples) arrays
    most : int
        Samples to either side that are looked at.
    """
    from scipy.signal import correlate

    correlation = correlate(signal.mean(axis=0), reference.mean(axis=0), mode="full", method="fft")
    centre = reference.shape[-1] - 1
    window = np.abs(correlation[centre - most : centre + most + 1])
    best = int(np.argmax(window)) - most
    return best if window[best + most] > _CLEARLY * window[most] else 0


def _check(
    folder: Path, file: str, signal: Signal, facts: dict[str, Any], trial: Trial, reference: NDArray[np.float32] | None
) -> list[CellValue]:
    """Measure a file and return its row of the report; raise where it is not what it should be."""
    import soundfile

    def fail(what: str) -> None:
        raise AudioError(f"{file} ({signal.system}, {signal.item}): {what}")

    info = soundfile.info(str(folder / file))
    wanted = round(trial.seconds * SAMPLE_RATE)
    if (info.samplerate, info.channels, info.subtype, info.frames) != (SAMPLE_RATE, 2, "PCM_24", wanted):
        fail(f"{info.samplerate} Hz, {info.channels} channels, {info.subtype}, {info.frames} samples; expected "
             f"{SAMPLE_RATE}, 2, PCM_24 and {wanted}")  # fmt: skip
    if audio.hash_file(folder / file) != facts["sha256"]:
        fail("was changed since it was written: its checksum is another")
    samples = audio.read(folder / file, SAMPLE_RATE)
    loudness, peak = integrated_loudness(samples, SAMPLE_RATE), true_peak(samples, SAMPLE_RATE)
    # Below -70 LUFS the gate leaves no block, and the two numbers mean nothing.
    if abs(loudness - facts["lufs"]) > _LOUDNESS_LU and max(loudness, facts["lufs"]) > -70:
        fail(f"reads {loudness:.2f} LUFS, expected {facts['lufs']:.2f}")
    if peak > PEAK_LIMIT + _PEAK_DB:
        fail(f"has a true peak of {peak:.2f} dBTP, expected at most {PEAK_LIMIT:g}")
    late = 0
    if reference is not None:
        if signal.role == Role.REFERENCE and not np.array_equal(samples, reference):
            fail("is the hidden reference and differs from the open one")
        # Anchors are made of the reference itself; their filters may move a maximum without any delay.
        late = lag(samples, reference, round(_MAX_LAG * SAMPLE_RATE)) if signal.role != Role.ANCHOR else 0
        if abs(late) > 1 and signal.role == Role.TEST:
            fail(f"lies {late} samples {'behind' if late > 0 else 'before'} its reference: align the estimates first")
        if signal.system.startswith("lowpass_") and signal.role == Role.ANCHOR:
            stop = _stop_band(samples, float(signal.system.removeprefix("lowpass_")))
            if stop > -50:  # BS.1534-3's mask, 1 kHz above the cutoff
                fail(f"is only {-stop:.0f} dB down above its cutoff, expected 50")
    role = signal.role or "beside"
    return [file, signal.item, signal.task, signal.system, role, loudness, TableCell.number(peak, 1), late]


def _stop_band(samples: NDArray[np.float32], cutoff: float) -> float:
    """Return the level in dB above the stop band's edge, relative to the whole signal."""
    # Without a window the leakage of a loud bass would reach the stop band.
    window = np.hanning(samples.shape[-1])
    power = np.square(np.abs(np.fft.rfft(samples * window, axis=-1))).sum(axis=0)
    frequencies = np.fft.rfftfreq(samples.shape[-1], 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[frequencies > cutoff + 1000].sum() / (power.sum() or 1.0) + 1e-20))


def checklist(folder: Path) -> Table:
    """Compare a pack with BS.1534-3, point by point.

    Raises
    ------
    ConfigError
        The pack, its key or manifest cannot be read.
    """
    pack, key, manifest = _read(folder)
    design, chosen = manifest["design"], PROTOCOLS[pack.protocol]
    rated = [t for t in pack.trials if t.id != pack.training]
    systems = {s.system for s in key.values() if s.role == Role.TEST}
    items = {key[t.stimuli[0]].item for t in rated}
    anchors = {s.system for s in key.values() if s.role == Role.ANCHOR}
    hidden = all(any(key[file].role == Role.REFERENCE for file in trial.stimuli) for trial in rated)
    signals = max(t.signals for t in rated)
    longest = max(t.seconds for t in rated)
    wanted = max(5, int(np.ceil(1.5 * len(systems))))
    points = [
        ("excerpts of about 10 s, at most 12 s", longest <= 12, f"{longest:g} s"),
        ("at least max(5, 1.5 x systems) items", len(items) >= wanted, f"{len(items)} of {wanted}"),
        (f"at most {MAX_SIGNALS} signals in a trial", signals <= MAX_SIGNALS, str(signals)),
        ("a hidden reference in every trial", hidden, ""),
        ("low anchor, 3.5 kHz", "lowpass_3500" in anchors, ", ".join(sorted(anchors)) or "none"),
        ("mid anchor, 7 kHz", "lowpass_7000" in anchors, ""),
        ("loudness aligned", True, f"{design['loudness']['lufs']:g} LUFS, {design['loudness']['mode']}"),
        ("no clipping: one gain for all", True, f"{manifest['common_gain_db']:.1f} dB"),
        ("training page", bool(pack.training), ""),
        ("order of items and signals random for each listener", True, f"seed {design['seed']}"),
        ("replicated trials", design["replicates"] > 0, str(design["replicates"])),
    ]
    source = f" ({chosen.source})" if chosen.source else ""
    notes = [] if chosen.source == "ITU-R BS.1534-3" else [f"The test follows {chosen.title}{source}: for information."]
    return Table("Checklist of ITU-R BS.1534-3", ["point", "met", "found"], [points], notes, name="checklist")
