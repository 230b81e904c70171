"""Asteroid 0.7: any model that `BaseModel.from_pretrained` makes, from a local file. Code: MIT; models: see theirs.

::

    python3 -m venv /venvs/asteroid && /venvs/asteroid/bin/pip install asteroid==0.7.0 requests 'setuptools<81'

    - {name: external, as: convtasnet, python: /venvs/asteroid/bin/python, script: asteroid,
       weights: /models/convtasnet.pth, targets: [vocals, accompaniment], sample_rate: 44100,
       trained_on: [musdb18/train], licence: CC BY-SA 4.0}

`targets` in the order of the model's outputs, `sample_rate` in Hz. A model for one
channel separates each channel of the mixture alone. Of the file tensors and plain values are read, no code.
"""

from __future__ import annotations

import sys
from typing import Any, Sequence


class Separator:
    """Waveform in, waveforms out, without the rescaling that `asteroid.separate` does."""

    def __init__(
        self, weights: str, targets: Sequence[str], sample_rate: int, trained_on: Sequence[str] = (), licence: str = ""
    ) -> None:
        self.weights, self.targets, self.sample_rate = weights, tuple(targets), sample_rate
        self.target_sets = (self.targets,)
        self.trained_on, self.licence = tuple(trained_on), licence

    def load(self, device: str) -> None:
        import torch
        from asteroid.models import BaseModel

        self.device = torch.device(device)
        expected = "expected what asteroid's model.serialize() returns, saved by torch.save"
        try:
            # `BaseModel.serialize` notes torch's version as an object of this class.
            with torch.serialization.safe_globals([torch.torch_version.TorchVersion]):
                content = torch.load(self.weights, map_location="cpu", weights_only=True)
        except Exception as error:  # torch's own message advises to run the file nevertheless
            sys.exit(f"{self.weights} is damaged or holds more than tensors ({type(error).__name__}); {expected}")
        if not isinstance(content, dict) or not {"model_name", "model_args", "state_dict"} <= set(content):
            sys.exit(f"{self.weights} is no checkpoint of asteroid; {expected}")
        declared = content["model_args"].get("sample_rate", self.sample_rate)
        if declared != self.sample_rate:
            sys.exit(f"{self.weights} works at {declared:g} Hz; give sample_rate={declared:g}")
        try:
            self.model = BaseModel.from_pretrained(content).to(self.device).eval()
        except Exception as error:
            told = " ".join(str(error).split())[:200]
            sys.exit(f"{self.weights} is no checkpoint of asteroid's {content['model_name']} ({told}); {expected}")

    def separate(self, mixture: Any, sample_rate: int, *, targets: Any, rng: Any) -> dict[str, Any]:
        import torch

        signal = torch.from_numpy(mixture).to(self.device)
        with torch.no_grad():
            if self.model.in_channels == 1:  # a batch of channels: (channels, sources, samples)
                sources = self.model.forward_wav(signal[:, None]).transpose(0, 1)
            else:  # a batch of one: (1, sources, channels, samples)
                sources = self.model.forward_wav(signal[None])[0]
        if len(sources) != len(self.targets):
            sys.exit(f"the model has {len(sources)} outputs; expected as many as targets={', '.join(self.targets)}")
        return dict(zip(self.targets, sources.cpu().numpy()))
