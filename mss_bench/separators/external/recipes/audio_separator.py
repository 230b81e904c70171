"""audio-separator 0.47 (models of UVR: MDX, VR, MDXC with the RoFormers, Demucs). Code: MIT; models: see theirs.

::

    python3 -m venv /venvs/audio-separator && /venvs/audio-separator/bin/pip install 'audio-separator[cpu]'

    - {name: external, as: bs_roformer, python: /venvs/audio-separator/bin/python, script: audio_separator,
       weights: /models/uvr, model: model_bs_roformer_ep_317_sdr_12.9755.ckpt, licence: see the model's page}

`weights` is its ``model_file_dir`` after the model was downloaded once: beside the model and its YAML file it holds
``download_checks.json``, ``vr_model_data.json`` and ``mdx_model_data.json``, without which the library goes to the
network. `stems` maps targets to the stems' names in the tool.

The library reads and writes files, which are float32 here. It scales the mixture and each stem that peaks above a
threshold, which loses their levels; that is switched off here. With an MDX model it multiplies the first stem by the
mixture's peak: so the mixture is given with a peak of 1, and that gain undone. It writes no file for a stem that is all
but silent: such a one is silence here.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping, Sequence

STEMS = {"vocals": "Vocals", "accompaniment": "Instrumental"}


class Separator:
    """`audio_separator.separator.Separator` with one model."""

    channels = (2,)
    sample_rate = 44100

    def __init__(
        self,
        weights: str,
        model: str,
        stems: Mapping[str, str] = STEMS,
        trained_on: Sequence[str] = (),
        licence: str = "",
    ) -> None:
        self.weights, self.model, self.stems = weights, model, stems
        self.target_sets = (tuple(stems),)
        self.trained_on, self.licence = tuple(trained_on), licence
        for name in (model, "download_checks.json"):
            if not Path(weights, name).is_file():
                sys.exit(f"{weights} has no file {name}; let audio-separator download the model once")

    def load(self, device: str) -> None:
        if device == "cpu":
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        from audio_separator.separator import Separator as AudioSeparator
        from audio_separator.separator.uvr_lib_v5 import spec_utils

        assert callable(spec_utils.normalize)
        spec_utils.normalize = lambda wave, **_: wave

        self.folder = tempfile.TemporaryDirectory()
        self.tool = AudioSeparator(model_file_dir=self.weights, output_dir=self.folder.name, use_soundfile=True)
        self.tool.load_model(self.model)

    def close(self) -> None:
        self.folder.cleanup()

    def separate(self, mixture: Any, sample_rate: int, *, targets: Any, rng: Any) -> dict[str, Any]:
        import numpy as np
        import soundfile

        estimates = {target: np.zeros_like(mixture) for target in self.stems}
        peak = np.abs(mixture).max()
        if not peak:
            return estimates
        song = Path(self.folder.name, "song.wav")
        soundfile.write(song, mixture.T / peak, sample_rate, subtype="FLOAT")
        written = self.tool.separate(str(song), {stem: target for target, stem in self.stems.items()})
        if not written:  # the library logs what went wrong and goes on
            sys.exit("audio-separator wrote nothing; see what it printed")
        for target in self.stems:
            file = song.with_name(f"{target}.wav")
            if file.is_file():
                estimates[target] = soundfile.read(file, dtype="float32", always_2d=True)[0].T * peak
                file.unlink()
        return estimates
