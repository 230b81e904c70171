"""Record what other packages make of two sets of embeddings: writes ``set_distances.json`` beside this file.

    pip install torch prdc==0.2
    pip download --no-deps kadtk==1.1.0 frechet-audio-distance==0.3.4
    python tests/data/make_set_distances.py kadtk-1.1.0-py3-none-any.whl frechet_audio_distance-0.3.4-py3-none-any.whl

Both wheels are unpacked and their functions called as they are. What the modules import for their networks and files is
replaced by empty modules: it asks for old releases of Python and TensorFlow, and no distance needs it.
"""

from __future__ import annotations

import importlib
import json
import sys
import tempfile
import zipfile
from importlib.metadata import version
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

HERE = Path(__file__).parent
NETWORKS = ("encodec", "hypy_utils", "hypy_utils.nlp_utils", "hypy_utils.tqdm_utils", "laion_clap", "resampy")
OWN = ("kadtk.emb_loader", "kadtk.model_loader", "frechet_audio_distance.models.pann")


def sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return sets of references and of estimates, of float32 as networks give them."""
    rng = np.random.default_rng(11)
    near = rng.standard_normal((60, 6)), 0.8 * rng.standard_normal((45, 6)) + 0.4
    mixed = rng.standard_normal((40, 5)) @ rng.standard_normal((5, 5)), 2 * rng.standard_normal((80, 5)) - 0.5
    few = rng.standard_normal((12, 20)), rng.standard_normal((15, 20)) + 0.2
    pairs = {"near": near, "mixed": mixed, "fewer frames than dimensions": few}
    return {name: (a.astype(np.float32), b.astype(np.float32)) for name, (a, b) in pairs.items()}


def main(*wheels: Path) -> None:
    """Write the record."""
    with tempfile.TemporaryDirectory() as folder:
        for wheel in wheels:
            zipfile.ZipFile(wheel).extractall(folder)
        sys.path.insert(0, folder)
        sys.modules |= {name: MagicMock() for name in (*NETWORKS, *OWN)}
        packages = [*(wheel.name for wheel in wheels), f"prdc {version('prdc')}"]
        record = {"packages": packages, "values": {name: _measured(*pair) for name, pair in sets().items()}}
    (HERE / "set_distances.json").write_text(json.dumps(record, indent=1) + "\n")


def _measured(references: np.ndarray, estimates: np.ndarray) -> dict[str, float]:
    import torch
    from prdc import compute_prdc

    kad = importlib.import_module("kadtk.kad").calc_kernel_audio_distance
    frechet = importlib.import_module("frechet_audio_distance.fad").FrechetAudioDistance
    # This release takes the bandwidth from its second set, its repository since then from the references, which it
    # gives first; its documents have said so all along.
    tensors = torch.from_numpy(estimates), torch.from_numpy(references)
    own = object.__new__(frechet)  # without the network that it would load
    statistics = [each for array in (references, estimates) for each in own.calculate_embd_statistics(array)]
    return {
        "KAD": float(kad(*tensors, (None, None), "cpu", precision=torch.float64)),
        "FAD": float(own.calculate_frechet_distance(*statistics)),
        **{name: float(value) for name, value in compute_prdc(references, estimates, 5).items()},
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
