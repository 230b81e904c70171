"""Single fields of a manifest: each is read, or refused with file and line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from mss_bench.core.audio import hash_file
from mss_bench.core.config import ConfigMap, plain_name
from mss_bench.errors import ConfigError
from mss_bench.separators.deep.overlap_add import PADDINGS, Chunks
from mss_bench.separators.deep.stft import WINDOWS, ModelSTFT

__all__ = [
    "OPTIONS",
    "choice",
    "mapping",
    "needed_names",
    "number",
    "option",
    "read_chunks",
    "read_stems",
    "read_stft",
    "read_weight",
    "read_weights",
    "text",
    "weight_problem",
    "whole",
]

OPTIONS: dict[str, dict[str, tuple[Any, type, str]]] = {
    "openunmix": {
        "iterations": (1, int, "a whole number of steps of expectation and maximisation, from 0 on"),
        "window": (300, int, "a whole number of frames; 0 for all at once"),
        "softmask": (False, bool, "true or false"),
    },
    "demucs": {"shifts": (0, int, "a whole number of random shifts, from 0 on")},
}
"""Options of a kind: default, type, what is expected."""

_OVERLAP = {"demucs": 0.25}  # of the library; elsewhere 0.1


def option(raw: ConfigMap, kind: str, name: str) -> Any:
    """An option of a kind, or its default."""
    default, of, expected = OPTIONS[kind][name]
    value = raw.typed(name, of, expected, default)
    if of is int and value < 0:
        raw.fail(f"{name} is {value}, expected {expected}", name)
    return value


def choice(raw: ConfigMap, key: str, choices: Iterable[str], default: str | None = None) -> str:
    """One of some words."""
    if key not in raw and default is None:
        raw.fail(f"{key} is missing, expected {' or '.join(choices)}")
    value = raw.get(key, default)
    if not isinstance(value, str) or value not in choices:
        raw.fail(f"{key} is {value!r}, expected {' or '.join(choices)}", key)
    return value


def whole(raw: ConfigMap, key: str, low: int, default: int | None = None, needed: str = "") -> int:
    """A whole number; without a default it is needed, and `needed` says what it is."""
    if key not in raw and default is None:
        raw.fail(f"{key} is missing, expected a whole number ({needed})")
    value = raw.typed(key, int, f"a whole number, at least {low}", default)
    if value < low:
        raw.fail(f"{key} is {value}, expected a whole number, at least {low}", key)
    return int(value)


def number(raw: ConfigMap, key: str, low: float, high: float, default: float) -> float:
    """A number from `low` to below `high`."""
    value = float(raw.typed(key, (int, float), "a number", default))
    if not low <= value < high:
        raw.fail(f"{key} is {value:g}, expected a number from {low:g} to below {high:g}", key)
    return value


def text(raw: ConfigMap, key: str) -> str:
    """Text, empty where there is none."""
    return str(raw.typed(key, str, "text", ""))


def needed_names(raw: ConfigMap, key: str, expected: str) -> tuple[str, ...]:
    """One name or several, at least one."""
    if key not in raw:
        raw.fail(f"{key} is missing, expected a list of {expected}")
    return raw.names(key)


def read_stems(raw: ConfigMap) -> tuple[str, ...]:
    """The stems, which become names of files."""
    names = needed_names(raw, "stems", "names in the order of the output")
    try:
        return tuple(plain_name(name, "stem") for name in names)
    except ConfigError as error:
        raw.fail(f"stems: {error}", "stems")


def mapping(raw: ConfigMap, key: str) -> ConfigMap | None:
    """A mapping within the manifest, None where there is none."""
    value = raw.get(key)
    if key in raw and not isinstance(value, ConfigMap):
        raw.fail(f"{key} is {value!r}, expected a mapping of keys to values", key)
    return value


def read_weights(raw: ConfigMap) -> ConfigMap:
    """Names of files, with the digits of their SHA-256; each of them is still to be read."""
    files = raw.get("weights")
    if not isinstance(files, ConfigMap) or not files:
        name = files if isinstance(files, str) else "model.onnx"
        raw.fail(f"weights is {files!r}, expected each file and its SHA-256, e.g. {{{name}: 5f2c...}}", "weights")
    return files


def read_weight(files: ConfigMap, name: str, folder: Path) -> tuple[Path, str]:
    """The path of a file of weights and its SHA-256, which an error tells who has left it open."""
    inside, sha = PurePosixPath(name), files[name]
    if inside.is_absolute() or ".." in inside.parts:
        files.fail(f"weights {name!r} leads out of the manifest's folder, expected a path below it", name)
    if not isinstance(sha, str) or not re.fullmatch("[0-9a-f]{64}", sha):
        file = folder / inside
        content = f"its content has {hash_file(file)}" if file.is_file() else "the file does not exist"
        files.fail(f"weights {name}: {sha!r} is not the 64 digits of a SHA-256; {content}", name)
    return folder / inside, sha


def weight_problem(file: Path, expected: str) -> str:
    """What is wrong with a file of weights, empty where nothing is."""
    try:
        found = hash_file(file)
    except OSError as error:
        return f"weights {file} cannot be read: {error.strerror or error}"
    if found != expected:
        return f"weights {file} have the SHA-256 {found}, expected {expected}: the file is damaged or another one"
    return ""


def read_chunks(raw: ConfigMap, kind: str) -> Chunks:
    """How a track is cut."""
    chunk = whole(raw, "chunk", 1, 0) if "chunk" in raw else 0
    border = whole(raw, "border", 0, 0)
    if chunk and 2 * border >= chunk:
        raw.fail(f"border is {border}, expected less than half of chunk={chunk}", "border")
    overlap = number(raw, "overlap", 0.0, 1.0, _OVERLAP.get(kind, 0.1))
    return Chunks(chunk, overlap, border, choice(raw, "padding", PADDINGS, "reflect"))


def read_stft(raw: ConfigMap) -> tuple[ModelSTFT | None, int]:
    """The transform, and how many of its bins the model is given."""
    inner = mapping(raw, "stft")
    if inner is None:
        raw.fail("stft is missing, expected e.g. {n_fft: 4096, hop: 1024}: the model is given spectrograms", "input")
    inner.only(("n_fft", "hop", "window", "centre", "reflect", "normalised", "bins"), "stft")
    n_fft, hop = (whole(inner, key, 1, needed="samples") for key in ("n_fft", "hop"))
    window = choice(inner, "window", WINDOWS, "hann")
    switches = {
        key: bool(inner.typed(key, bool, "true or false", default))
        for key, default in (("centre", True), ("reflect", True), ("normalised", False))
    }
    try:
        stft = ModelSTFT(n_fft, hop, window, **switches)
    except ConfigError as error:
        raw.fail(f"stft: {error}", "stft")
    bins = whole(inner, "bins", 1, stft.bins)
    if bins > stft.bins:
        inner.fail(f"bins is {bins}, expected at most {stft.bins} for n_fft={n_fft}", "bins")
    return stft, bins
