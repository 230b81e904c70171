"""The built-in data set: songs that mss_bench composes and renders itself, so that everything runs without any data.

Each song has a sung line, a drum kit, a bass and two layers of harmony, 12 to 20 s of 44.1 kHz stereo in 16 bits. It is
determined by (generator version, split, index) alone. `render` makes one in memory, about ten times faster than it
plays; `materialise` keeps them in the user's cache in MUSDB18-HQ's layout. What the first six songs of each split are
for stands in `mss_bench.datasets.demo.plan`.

Variants
--------
``default``
    Stems vocals, drums, bass, other; the mixture is their exact sum. For trying everything, and for training.
``two_voices``
    Stems voice_1, voice_2, drums, bass, other: two sources of one kind that sing together and in turn. For permutation,
    duet separation and multi-f0 questions.
``two_guitars``
    Stems vocals, drums, bass, guitar_1, guitar_2: the same instrument twice, chords and a riff. For sources that only
    their place and their line tell apart.
``sources:N``, N from 2 to 6
    Stems source_1 to source_N: N different instruments, equally loud, without reverberation, each panned to a point of
    its own: an instantaneous mixture. For counting sources and for panning-based and blind methods.
``limiter``
    The default stems; the mixture passes a look-ahead limiter 6 dB below its peak, without make-up gain, and so is not
    the sum of the stems. For what mastering does to metrics and to methods that assume additivity.

Ground truth
------------
`Song.annotations`, written as ``annotations.json``: tempo, key, ``beats``, ``downbeats`` and ``chords``, and for each
stem ``notes`` (onset and offset in s, MIDI pitch, instrument), ``hits`` (onset, drum) and for sung stems ``f0`` (times
in s, every 10 ms, and Hz, 0 where unvoiced). Onsets are where the vowel or the stroke begins; offsets where a note is
released, before it rings out.

Determinism
-----------
Random numbers are raw PCG64 doubles, phases are integers, gains are rounded, arithmetic is float64 without BLAS, and
the result is rounded to 16 bits. Two machines' sines or FFTs may differ in the last digit; that changes a sample by one
only where it lies this close to the middle between two integers. Between NumPy's AVX-512 and SSE code the samples
differ by at most 1e-8 of a 16-bit step before rounding, so that 0.006 of 75 million are expected to change, and none
did. The hashes of the first songs are tested.
"""

from mss_bench.datasets.demo.cache import cache_root, materialise
from mss_bench.datasets.demo.plan import (
    DATASET_ID,
    GENERATOR_VERSION,
    SPLITS,
    VARIANTS,
    song_name,
    song_names,
    stems_of,
)
from mss_bench.datasets.demo.song import Song, render
from mss_bench.datasets.demo.synth import SAMPLE_RATE

__all__ = [
    "DATASET_ID",
    "GENERATOR_VERSION",
    "SAMPLE_RATE",
    "SPLITS",
    "VARIANTS",
    "Song",
    "cache_root",
    "materialise",
    "render",
    "song_name",
    "song_names",
    "stems_of",
]
