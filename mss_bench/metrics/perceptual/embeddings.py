"""Distances of embeddings: what a trained network makes of references and estimates, compared.

The networks are not part of this package, and nothing is downloaded: embeddings are arrays ``(frames, dimensions)``
that the user has computed with local weights, in memory or as one ``.npy`` file a signal in a folder. With embeddings
of VGGish `frechet_distance` is the Frechet audio distance (FAD) [1]_, with those of MERT `embedding_mse` is MERT-MSE.
The metrics ``fad`` and ``embedding_mse`` (`mss_bench.metrics.perceptual.embedding_distances`) run a network of the
user's themselves.

    FAD = |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1 C_2)^(1/2))

with means m and covariances C of all frames of each side. It compares sets, not pairs: it is biased upwards where there
are few frames, and not to be compared between sets of different sizes.

`kernel_distance` (KAD) [2]_ is the squared maximum mean discrepancy of the two sets, by its unbiased estimator and with
the kernel ``exp(-d^2 / (2 s^2))``, s the median distance of two reference frames; it may be below 0. As its authors'
package kadtk prints it, it is multiplied by 100 (kadtk 1.1.0 takes s from the estimates, its repository since then from
the references, as its documents have always said). `neighbours`
(PRDC) tells in four shares how two sets lie in each other [3]_ [4]_: *precision*, of estimates that lie within the
reach of some reference, the distance to its k-th nearest other reference; *recall*, of references within the reach of
some estimate; *density*, in how many reaches an estimate lies, divided by k; *coverage*, of references with an estimate
in their reach.

References
----------
.. [1] K. Kilgour, M. Zuluaga, D. Roblek, M. Sharifi: Frechet audio distance: a reference-free metric for evaluating
   music enhancement algorithms. Interspeech 2019.
.. [2] Y. Chung et al.: KAD: no more FAD! An effective and efficient evaluation metric for audio generation. ICML 2025.
.. [3] T. Kynkäänniemi et al.: Improved precision and recall metric for assessing generative models. NeurIPS 2019.
.. [4] M. F. Naeem et al.: Reliable fidelity and diversity metrics for generative models. ICML 2020.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from mss_bench.core.arrays import Floats, Samples
from mss_bench.errors import AudioError

__all__ = ["Neighbours", "embedding_mse", "frechet_distance", "kernel_distance", "neighbours", "read_embeddings"]


def read_embeddings(folder: str | Path) -> dict[str, Floats]:
    """Read the embeddings of a folder.

    Parameters
    ----------
    folder : path
        Holds ``<name>.npy`` files of float arrays ``(frames, dimensions)``.

    Returns
    -------
    dict of str to (frames, dimensions) float64
        In the order of the names.

    Raises
    ------
    AudioError
        No folder, no file in it, a file that is no such array, or files of different dimensions.
    """
    files = sorted(Path(folder).glob("*.npy")) if Path(folder).is_dir() else []
    if not files:
        raise AudioError(f"there are no embeddings in {folder}; expected <name>.npy files (frames, dimensions)")
    embeddings = {}
    for file in files:
        try:
            array = np.load(file, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise AudioError(f"{file} cannot be read as an array of NumPy: {error}") from None
        embeddings[file.stem] = _checked(array, str(file))
    dimensions = {array.shape[1] for array in embeddings.values()}
    if len(dimensions) > 1:
        raise AudioError(
            f"embeddings in {folder} have {sorted(dimensions)} dimensions, expected the same in every file"
        )
    return embeddings


def frechet_distance(references: Samples, estimates: Samples) -> float:
    """Return the Frechet distance of two sets of embeddings, seen as normal distributions.

    Parameters
    ----------
    references, estimates : (frames, dimensions) float array
        Of any numbers of frames, two at least; join those of many signals with ``np.concatenate``.

    Returns
    -------
    float
        0 for equal means and covariances.

    Raises
    ------
    AudioError
        Arrays that are not of two axes, of different dimensions, of less than two frames, or with NaN.

    Examples
    --------
    >>> import numpy as np
    >>> frames = np.random.default_rng(0).standard_normal((1000, 4))
    >>> round(frechet_distance(frames, frames + 3.0), 6)
    36.0
    """
    a, b = _pair(references, estimates, 2, "for a covariance")
    covariances = [np.cov(array, rowvar=False, ddof=1).reshape(array.shape[1], -1) for array in (a, b)]
    # tr((C_1 C_2)^(1/2)) by the eigenvalues of the symmetric R C_2 R, with R the root of C_1: never complex
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    cross = float(np.sqrt(np.maximum(product, 0.0)).sum())
    means = a.mean(axis=0) - b.mean(axis=0)
    distance = float(means @ means) + float(np.trace(covariances[0] + covariances[1])) - 2 * cross
    return max(0.0, distance)


def kernel_distance(references: Samples, estimates: Samples) -> float:
    """Return the kernel distance (KAD) of two sets of embeddings: 100 times the squared maximum mean discrepancy.

    Parameters
    ----------
    references, estimates : (frames, dimensions) float array
        Of any numbers of frames, two at least.

    Raises
    ------
    AudioError
        As for `frechet_distance`; or all references are the same.
    """
    from scipy.spatial.distance import cdist, pdist

    a, b = _pair(references, estimates, 2, "for a kernel distance")
    within = pdist(a)
    bandwidth = float(np.quantile(within, 0.5, method="lower"))  # of an even number the lower one, as torch has it
    if bandwidth == 0:
        raise AudioError("half of the references' frames are the same, and have no distances to scale by")

    def mean(distances: Floats) -> float:
        return float(np.exp(-(distances**2) / (2 * bandwidth**2)).mean())

    return 100 * (mean(within) + mean(pdist(b)) - 2 * mean(cdist(a, b)))


class Neighbours(NamedTuple):
    """How two sets of embeddings lie in each other; see `neighbours`."""

    precision: float
    recall: float
    density: float
    coverage: float


def neighbours(references: Samples, estimates: Samples, k: int = 5) -> Neighbours:
    """Return precision, recall, density and coverage of a set of embeddings, by k nearest neighbours.

    Parameters
    ----------
    references, estimates : (frames, dimensions) float array
        Of more than k frames each.
    k : int
        Neighbours that make up the reach of a frame.

    Raises
    ------
    AudioError
        As for `frechet_distance`.
    """
    from scipy.spatial.distance import cdist, pdist, squareform

    a, b = _pair(references, estimates, k + 1, f"for {k} neighbours")
    # The nearest of all is the frame itself.
    of_references, of_estimates = (np.partition(squareform(pdist(x)), k, axis=1)[:, k] for x in (a, b))
    apart = cdist(a, b)
    inside = apart < of_references[:, np.newaxis]
    return Neighbours(
        precision=float(inside.any(axis=0).mean()),
        recall=float((apart < of_estimates).any(axis=1).mean()),
        density=float(inside.sum(axis=0).mean() / k),
        coverage=float((apart.min(axis=1) < of_references).mean()),
    )


def _pair(references: Samples, estimates: Samples, least: int, what_for: str) -> tuple[Floats, Floats]:
    """Return two checked sets of one dimension, of at least so many frames."""
    a, b = _checked(references, "references"), _checked(estimates, "estimates")
    if a.shape[1] != b.shape[1]:
        raise AudioError(f"embeddings have {a.shape[1]} and {b.shape[1]} dimensions, expected the same")
    for name, array in (("references", a), ("estimates", b)):
        if len(array) < least:
            frames = f"{len(array)} frame{'s'[: len(array) != 1]}"
            raise AudioError(f"{name} hold {frames}, expected at least {least} {what_for}")
    return a, b


def embedding_mse(reference: Samples, estimate: Samples) -> float:
    """Return the mean squared difference of the embeddings of two signals, frame by frame.

    Parameters
    ----------
    reference, estimate : (frames, dimensions) float array
        Of one shape.

    Raises
    ------
    AudioError
        Other shapes, or NaN.
    """
    a, b = _checked(reference, "the reference"), _checked(estimate, "the estimate")
    if a.shape != b.shape:
        raise AudioError(
            f"embeddings have shapes {a.shape} and {b.shape}, expected the same frames of the same network"
        )
    return float(np.mean((a - b) ** 2))


def _checked(array: Samples, name: str) -> Floats:
    if not isinstance(array, np.ndarray) or array.ndim != 2 or 0 in array.shape:
        given = getattr(array, "shape", type(array).__name__)
        raise AudioError(f"embeddings of {name} are {given}, expected an array (frames, dimensions)")
    if not np.issubdtype(array.dtype, np.floating):
        raise AudioError(f"embeddings of {name} are of {array.dtype}, expected float32 or float64")
    if not np.isfinite(array).all():
        raise AudioError(f"embeddings of {name} hold NaN or infinite values, expected numbers")
    return array.astype(np.float64)
