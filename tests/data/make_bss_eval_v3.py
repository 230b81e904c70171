"""Golden numbers of mir_eval.separation on small arrays: ``python make_bss_eval_v3.py`` writes bss_eval_v3.json."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np

WINDOW, HOP = 2000, 1200


def signals(n_sources: int, channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return references and estimates ``(sources, channels, 5000)`` of 16 bits, the estimates in another order."""
    rng = np.random.default_rng(seed)
    references = rng.integers(-8000, 8001, (n_sources, channels, 5000)) / 32768
    references += 0.3 * references[:, ::-1]
    filtered = 0.8 * references + 0.2 * np.roll(references, 2, axis=-1)
    noise = rng.integers(-800, 801, references.shape) / 32768
    estimates = filtered + 0.15 * references.sum(axis=0) + noise
    return references, np.roll(estimates, 1, axis=0)


CASES = {"sources": signals(3, 1, 31), "images": signals(2, 2, 32)}


def golden() -> dict[str, dict[str, list]]:
    """Return what mir_eval gives by mode and quantity; ``order`` is the estimate of each reference."""
    import mir_eval

    found = {}
    for kind, (references, estimates) in CASES.items():
        arrays = [a[:, 0] if kind == "sources" else a.swapaxes(1, 2) for a in (references, estimates)]
        names = ["SDR", "SIR", "SAR"] if kind == "sources" else ["SDR", "ISR", "SIR", "SAR"]
        for mode, options in {"": {}, "_framewise": {"window": WINDOW, "hop": HOP}}.items():
            function = getattr(mir_eval.separation, f"bss_eval_{kind}{mode}")
            with warnings.catch_warnings():  # the module is deprecated
                warnings.simplefilter("ignore", FutureWarning)
                *values, order = function(*arrays, compute_permutation=True, **options)
            rows = {name: np.reshape(v, (len(references), -1)).tolist() for name, v in zip(names, values, strict=True)}
            found[kind + mode] = rows | {"order": np.reshape(order, (len(references), -1)).astype(int).tolist()}
    return found


if __name__ == "__main__":
    text = json.dumps({"source": "mir_eval 0.8.2, make_bss_eval_v3.py", "modes": golden()}, indent=1)
    Path(__file__).with_name("bss_eval_v3.json").write_text(text + "\n")
