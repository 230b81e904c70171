"""Perturbations: what happens to music before it is separated, from the codec of a download to the room of a concert.

A perturbation is a class derived from `Perturbation` with a name in `perturbations`: a built-in, one that an installed
package announces in the entry-point group ``mss_bench.perturbations``, or one of a user's file. Several of them, one
after another, are a `Chain`, and a track that goes through one is a `PerturbedTrack`.
"""

from mss_bench.perturbations.base import Perturbation
from mss_bench.registry import Registry

__all__ = ["Perturbation", "perturbations"]

perturbations: Registry[Perturbation] = Registry(
    kind="perturbation",
    base="mss_bench.perturbations.base:Perturbation",
    builtins={
        "mp3": "mss_bench.perturbations.codecs:MP3",
        "aac": "mss_bench.perturbations.codecs:AAC",
        "opus": "mss_bench.perturbations.codecs:Opus",
        "vorbis": "mss_bench.perturbations.codecs:Vorbis",
        "resampling": "mss_bench.perturbations.time:Resampling",
        "speed": "mss_bench.perturbations.time:Speed",
        "shift": "mss_bench.perturbations.time:Shift",
        "gain": "mss_bench.perturbations.levels:Gain",
        "polarity": "mss_bench.perturbations.levels:Polarity",
        "mono": "mss_bench.perturbations.levels:Mono",
        "noise": "mss_bench.perturbations.levels:Noise",
        "band_loss": "mss_bench.perturbations.levels:BandLoss",
        "clipping": "mss_bench.perturbations.dynamics:Clipping",
        "distortion": "mss_bench.perturbations.dynamics:Distortion",
        "compression": "mss_bench.perturbations.dynamics:Compression",
        "limiter": "mss_bench.perturbations.dynamics:Limiter",
        "reverberation": "mss_bench.perturbations.space:Reverberation",
        "chorus": "mss_bench.perturbations.space:Chorus",
    },
    group="mss_bench.perturbations",
)
