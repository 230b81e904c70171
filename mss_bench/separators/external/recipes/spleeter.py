"""Spleeter 2.4.2 (TensorFlow 2.12, NumPy 1, Python 3.8 to 3.11), two, four or five stems. Code and models: MIT.

::

    python3.11 -m venv /venvs/spleeter && /venvs/spleeter/bin/pip install spleeter==2.4.2

    - {name: external, as: spleeter, python: /venvs/spleeter/bin/python, script: spleeter,
       weights: /models/spleeter/4stems, stems: 4}

`weights` is the folder of one model, as its archive unpacks: ``checkpoint``, ``model.meta``, ``model.index``,
``model.data-00000-of-00001``. Archives: https://github.com/deezer/spleeter/releases (v1.4.0, ``4stems.tar.gz``).
``mwf=true`` is the multichannel Wiener filter. The models were trained on a private set of Deezer's.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

TARGETS = {
    2: ("vocals", "accompaniment"),
    4: ("vocals", "drums", "bass", "other"),
    5: ("vocals", "drums", "bass", "piano", "other"),
}


class Separator:
    """`spleeter.separator.Separator`, in one process and on one song at a time."""

    channels = (2,)
    sample_rate = 44100
    licence = "MIT"
    citation = "R. Hennequin et al., Spleeter: a fast and efficient music source separation tool, JOSS 2020"

    def __init__(self, weights: str, stems: int = 2, mwf: bool = False) -> None:
        if stems not in TARGETS:
            sys.exit(f"stems={stems!r}; expected 2, 4 or 5")
        if not Path(weights, "checkpoint").is_file():
            sys.exit(f"{weights} has no file checkpoint; expected the folder of an unpacked model")
        # TensorFlow follows the path in it, which may lead to other weights than those that are hashed.
        named = re.findall(r'model_checkpoint_path:\s*"([^"]*)"', Path(weights, "checkpoint").read_text())
        if not named or any("/" in path or not Path(weights, path + ".index").is_file() for path in named):
            found = ", ".join(named) or "no model"
            sys.exit(f"{weights}/checkpoint names {found}; expected a model in this folder")
        self.weights, self.stems, self.mwf = Path(weights), stems, mwf
        self.target_sets = (TARGETS[stems],)

    def load(self, device: str) -> None:
        if device == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        from spleeter.separator import Separator as Spleeter

        self.model = Spleeter(f"spleeter:{self.stems}stems", MWF=self.mwf, multiprocess=False)
        # A whole path is taken as it is, and nothing is downloaded where it exists.
        self.model._params["model_dir"] = str(self.weights)

    def separate(self, mixture: Any, sample_rate: int, *, targets: Any, rng: Any) -> dict[str, Any]:
        found = self.model.separate(mixture.T)
        return {name: found[name].T for name in TARGETS[self.stems]}
