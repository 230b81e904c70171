"""Open-unmix checkpoints: the adapter gives what the library gives, and checks the keys, which the library does not.

Open-unmix imports torchaudio, whose compiled part does not load beside torch's build for CPUs alone. Where it does not,
an empty module stands in for that import; nothing that is tested here uses torchaudio.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mss_bench.core.tracks import Audio, Stems
from mss_bench.errors import ConfigError

torch = pytest.importorskip("torch", reason="torch is not installed")

FILES = ("separator.json", "vocals.json", "vocals.pth", "drums.json", "drums-0123abcd.pth")
KEYS: dict[str, Any] = {"kind": "openunmix", "stems": ["vocals", "drums"]}
N_FFT = 512


@pytest.fixture(scope="module", autouse=True)
def library() -> Iterator[ModuleType]:
    """Open-unmix, over torchaudio or its stand-in."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            import torchaudio  # noqa: F401
        except (ImportError, OSError):
            patch.setitem(sys.modules, "torchaudio", ModuleType("torchaudio"))
        yield pytest.importorskip("openunmix.utils", reason="open-unmix is not installed")
        for name in [name for name in sys.modules if name.partition(".")[0] == "openunmix"]:
            patch.delitem(sys.modules, name)


@pytest.fixture
def folder(library: ModuleType, tmp_path: Path) -> Path:
    """What a training of two small targets leaves behind."""
    from openunmix.model import OpenUnmix

    (tmp_path / "separator.json").write_text(
        json.dumps({"sample_rate": 8000, "nfft": N_FFT, "nhop": 128, "nb_channels": 2})
    )
    for seed, (target, name) in enumerate((("vocals", "vocals.pth"), ("drums", "drums-0123abcd.pth"))):
        torch.manual_seed(seed)
        network = OpenUnmix(nb_bins=N_FFT // 2 + 1, nb_channels=2, hidden_size=8, max_bin=100)
        state = network.state_dict() | {"sample_rate": torch.tensor(8000), "stft.window": torch.zeros(N_FFT)}
        torch.save(state, tmp_path / name)
        (tmp_path / f"{target}.json").write_text(
            json.dumps({"args": {"nfft": N_FFT, "nb_channels": 2, "hidden_size": 8}})
        )
    return tmp_path


def test_it_gives_what_the_library_gives(
    library: ModuleType, folder: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    for residual, options in (("", {}), ("other", {"iterations": 2, "window": 20})):
        niter, window = options.get("iterations", 1), options.get("window", 300)
        separator = library.load_separator(
            folder, targets=["vocals", "drums"], niter=niter, residual=bool(residual), wiener_win_len=window
        )
        separator.freeze()
        expected = separator(torch.from_numpy(mixture)[None])[0].numpy()
        keys = KEYS | ({"residual": residual} if residual else {})
        found = estimate(manifest(*FILES, **keys, options=options))
        assert list(found) == ["vocals", "drums", *([residual] if residual else [])]
        np.testing.assert_allclose(np.stack(list(found.values())), expected, atol=1e-5)


def test_chunks_and_batches(
    folder: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], mixture: Audio
) -> None:
    path = manifest(*FILES, **KEYS, chunk=3000, overlap=0.2)
    one, many = estimate(path), estimate(path, batch=3)
    for name in ("vocals", "drums"):
        assert one[name].shape == mixture.shape
        np.testing.assert_allclose(many[name], one[name], atol=1e-5)


def test_missing_and_unexpected_keys_are_said(
    folder: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems], library: ModuleType
) -> None:
    state = torch.load(folder / "vocals.pth", weights_only=True)
    weight = state.pop("lstm.weight_ih_l0")
    torch.save(state | {"lstm.weights": weight}, folder / "vocals.pth")
    library.load_separator(folder, targets=["vocals", "drums"])  # which says nothing
    with pytest.raises(ConfigError, match=r"missing keys: lstm\.weight_ih_l0; unexpected keys: lstm\.weights"):
        estimate(manifest(*FILES, **KEYS))


def test_weights_of_another_size_are_said(
    folder: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    (folder / "vocals.json").write_text(json.dumps({"args": {"nfft": N_FFT, "nb_channels": 2, "hidden_size": 16}}))
    with pytest.raises(ConfigError, match=r"no checkpoint of open-unmix as vocals\.json describes it.*size mismatch"):
        estimate(manifest(*FILES, **KEYS))


class _Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused(
    folder: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    torch.save({"input_mean": _Malicious(folder / "harm")}, folder / "vocals.pth")
    with pytest.raises(ConfigError, match=r"vocals\.pth is refused: .*could run code"):
        estimate(manifest(*FILES, **KEYS))
    assert not (folder / "harm").exists()
    torch.load(folder / "vocals.pth", weights_only=False)
    assert (folder / "harm").exists(), "the file must be one that does harm"


def test_what_the_manifest_says_is_compared_with_the_folder(
    folder: Path, manifest: Callable[..., Path], estimate: Callable[..., Stems]
) -> None:
    with pytest.raises(ConfigError, match=r"sample_rate is 44100, but separator\.json says 8000"):
        estimate(manifest(*FILES, **KEYS, sample_rate=44100), rate=44100)
    with pytest.raises(ConfigError, match=r"expected one file bass\.pth, found 0"):
        estimate(manifest(*FILES, **(KEYS | {"stems": ["vocals", "bass"]})))
    with pytest.raises(ConfigError, match="a Wiener filter needs a second source"):
        estimate(manifest(*FILES, **(KEYS | {"stems": ["vocals"]})))
    assert list(estimate(manifest(*FILES, **(KEYS | {"stems": ["vocals"]}), options={"iterations": 0}))) == ["vocals"]
