"""Record what MSST's own inference makes of the small models of tests/separators/deep/msst_models.py.

    python tests/data/make_msst.py CHECKOUT > tests/data/msst.json

CHECKOUT is a clone of https://github.com/ZFTurbo/Music-Source-Separation-Training (MIT) at the revision that the file
names; it needs torch, ml_collections, omegaconf, beartype, rotary_embedding_torch, einops, librosa and demucs.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
STEP = 61
"""Every so many samples are kept."""


def main(checkout: Path) -> None:
    """Print the record."""
    sys.path[:0] = [str(checkout), str(ROOT), str(ROOT / "tests/separators/deep")]
    import torch
    from msst_models import CONFIGS, filled, music, written
    from utils.audio_utils import denormalize_audio, normalize_audio  # type: ignore[import-not-found]
    from utils.model_utils import apply_tta, bigshifts_wrapper  # type: ignore[import-not-found]
    from utils.settings import get_model_from_config  # type: ignore[import-not-found]

    def separate(model: Any, config: Any, kind: str, mixture: Any, tta: bool) -> dict[str, Any]:
        norm = "normalize" in config.inference and config.inference["normalize"] is True
        mix, parameters = normalize_audio(mixture) if norm else (mixture, {})
        stems = bigshifts_wrapper(config, model, mix, "cpu", model_type=kind)
        if tta:
            stems = apply_tta(config, model, mix, stems, "cpu", kind)
        return {name: denormalize_audio(stem, parameters) if norm else stem for name, stem in stems.items()}

    torch.set_num_threads(1)
    revision = subprocess.run(["git", "rev-parse", "HEAD"], cwd=checkout, capture_output=True, text=True).stdout.strip()
    record: dict[str, Any] = {"revision": sys.argv[2] if len(sys.argv) > 2 else revision, "torch": torch.__version__}
    for kind, config in CONFIGS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "config.yaml")
            path.write_text(written(config))
            model, read = get_model_from_config(kind, str(path))
        model.load_state_dict(filled(model.state_dict()))
        for case, samples, tta in (("long", 13001, False), ("short", 3001, False), ("tta", 13001, True)):
            stems = separate(model.eval(), read, kind, music(samples), tta)
            record[f"{kind} {case}"] = {n: np.round(s[:, ::STEP].astype(float), 9).tolist() for n, s in stems.items()}
    print(json.dumps(record))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
