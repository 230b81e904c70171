"""Record what MSST's own metrics make of the signals of make_metric_families.py: writes ``msst_metrics.json``.

    pip install torch librosa auraloss==0.4.0 torch-l1-snr==0.2.1
    python tests/data/make_msst_metrics.py CHECKOUT

CHECKOUT is a clone of https://github.com/ZFTurbo/Music-Source-Separation-Training (MIT), whose `utils/metrics.py`,
which its `valid.py` calls, is imported as it is; its functions are called one by one, since `get_metrics` takes an
array for a number, which NumPy 2.4 refuses. The revision goes into the file. torch-l1-snr takes one class of
torchaudio, which does not load beside every torch: where it is missing, `torch.stft` stands in.
"""

from __future__ import annotations

import json
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def stand_in() -> None:
    """Put a module with `Spectrogram` alone in the place of torchaudio."""
    import torch

    class Spectrogram(torch.nn.Module):
        def __init__(self, n_fft, win_length, hop_length, pad_mode, center, window_fn, normalized, power):
            super().__init__()
            assert (center, power, normalized, win_length) == (True, None, False, n_fft)
            self.register_buffer("window", window_fn(win_length))
            self.sizes, self.pad_mode = (n_fft, hop_length), pad_mode

        def forward(self, x):
            flat = x.reshape(-1, x.shape[-1])
            spectra = torch.stft(flat, *self.sizes, window=self.window, pad_mode=self.pad_mode, return_complex=True)
            return spectra.reshape(*x.shape[:-1], *spectra.shape[-2:])

    package, transforms = types.ModuleType("torchaudio"), types.ModuleType("torchaudio.transforms")
    transforms.Spectrogram = Spectrogram
    sys.modules |= {"torchaudio": package, "torchaudio.transforms": transforms}


def main(checkout: Path) -> None:
    """Write the record."""
    sys.path[:0] = [str(checkout), str(HERE)]
    try:
        import torchaudio  # noqa: F401
    except ImportError:
        stand_in()
    from make_metric_families import KINDS, signals
    from utils import metrics

    def measured(s, y):
        sdr = float(metrics.sdr(s[np.newaxis], y[np.newaxis])[0])
        return {
            "k_sdr": metrics.k_sdr(sdr, 10),
            "l1_snr": metrics.MultiL1SNRDB_metric(s, y),
            "aura_stft": metrics.AuraSTFT_metric(s, y),
            "aura_mrstft": metrics.AuraMRSTFT_metric(s, y),
        }

    values = {}
    for kind in KINDS:
        references, estimates, _ = signals(kind)
        pairs = {name: (s.astype(np.float32), estimates[name].astype(np.float32)) for name, s in references.items()}
        # As they are, and quieter by 20 dB, where the SDR is held and constants count.
        values[kind] = {name: [measured(s, y), measured(s / 10, (s - 3 * y) / 10)] for name, (s, y) in pairs.items()}
    head = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    record = {
        "revision": subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip(),
        "packages": {name: version(name) for name in ("auraloss", "torch-l1-snr", "torch", "librosa")},
        "values": values,
    }
    (HERE / "msst_metrics.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
