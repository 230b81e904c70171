"""Train the network that is shipped: one command, which writes ``demo_net.onnx`` and ``demo_net.yaml``.

::

    python reports/separators/demo_net/train.py --out DIR

needs ``pip install -e '.[train]'`` and, on two cores, about half an hour, and 8 GB of disk for the songs and
features, which other trainings with the same ``--cache`` use again. Order of examples, starting point and songs follow
from the seed; two processors' sums differ in the last digits and so, in the end, do the weights.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))  # pages share helpers: the package `reports`

from mss_bench.cli.options import Parser, add_options, given
from mss_bench.core.parameters import Parameterized, param
from reports.separators.demo_net.data import STEMS, VALIDATION, Excerpts, prepare, read_song
from reports.separators.demo_net.export import write_model
from reports.separators.demo_net.features import Features, features_of, kept_features
from reports.separators.demo_net.losses import LOSSES, Signals, sdr_of_spectrograms, to_tensors
from reports.separators.demo_net.network import DemoNet


class Plan(Parameterized):
    """Options of a training."""

    loss: str = param("sdr", choices=tuple(LOSSES), doc="Cost function, see ``losses.py``.")
    steps: int = param(2500, at_least=1, doc="Steps of the optimiser.")
    batch: int = param(8, at_least=1, doc="Excerpts of 6 s a step.")
    rate: float = param(
        3e-3, above=0, doc="Largest learning rate, reached after a twentieth of the steps, then falling along a cosine."
    )
    songs: int = param(360, at_least=1, doc="Songs of the train split to learn from.")
    excerpts: int = param(2000, at_least=1, doc="Mixtures of these songs.")
    validation: int = param(len(VALIDATION), at_least=1, doc="Songs on which the network is watched.")
    every: int = param(100, at_least=1, doc="Steps between two looks.")
    seed: int = param(0, at_least=0, doc="Seed of weights, mixtures and their order.")


class Files(Parameterized):
    """Where a training takes place."""

    out: Path = param(metavar="DIR", doc="Folder for model, curve and plan.")
    cache: Path = param(Path("demo_net_cache"), metavar="DIR", doc="Folder of songs and features, used again.")
    jobs: int = param(2, at_least=1, doc="Processes and threads.")


@dataclass
class Training:
    """A trained network and how its training went.

    Parameters
    ----------
    plan : Plan
    network : DemoNet
        Ready for use.
    curve : list of dict
        One row a look: step, mean of the cost since the last one, SDR of the validation songs in dB (mean over them).
    seconds : float
        CPU time of the steps.
    """

    plan: Plan
    network: DemoNet
    curve: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0


def train(plan: Plan, cache: Path, *, jobs: int = 1) -> Training:
    """Train a network.

    Parameters
    ----------
    plan : Plan
    cache : Path
        Folder of songs and features.
    jobs : int
        Processes that render songs.
    """
    print(f"songs and features in {cache}")
    excerpts = Excerpts(prepare(cache, range(plan.songs), jobs), plan.seed)
    features = kept_features(cache, excerpts, plan.excerpts, jobs)
    watched = [_song_features(path) for path in prepare(cache, VALIDATION[: plan.validation], jobs)]
    torch.manual_seed(plan.seed)
    training = Training(plan, DemoNet())
    optimiser = torch.optim.AdamW(training.network.parameters(), plan.rate, weight_decay=1e-2)
    loss, costs = LOSSES[plan.loss], list[float]()
    for step, (numbers, swapped) in enumerate(_batches(plan), start=1):
        began = time.process_time()
        for group in optimiser.param_groups:
            group["lr"] = plan.rate * _share(step, plan.steps)
        batch = to_tensors(features.batch(numbers, swapped=swapped))
        signals = Signals.of(excerpts.batch(numbers, swapped=swapped)) if loss.signals else None
        cost = loss.value(training.network(batch.mixture), batch, signals)
        optimiser.zero_grad()
        cost.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(training.network.parameters(), 1.0)
        optimiser.step()
        costs.append(cost.item())
        training.seconds += time.process_time() - began
        if step % plan.every == 0 or step == plan.steps:
            training.curve.append({"step": step, "cost": float(np.mean(costs))} | _watch(training.network, watched))
            costs.clear()
            print(", ".join(f"{name} {value:.4g}" for name, value in training.curve[-1].items()))
    training.network.eval()
    return training


def _batches(plan: Plan) -> Iterator[tuple[NDArray[np.int64], bool]]:
    """Yield the excerpts of every step, all of them in a new order, then again; and whether left and right swap."""
    rng, left = np.random.default_rng([plan.seed, 1]), np.empty(0, dtype=np.int64)
    for _ in range(plan.steps):
        if len(left) < plan.batch:
            left = np.concatenate([left, rng.permutation(plan.excerpts)])
        now, left = left[: plan.batch], left[plan.batch :]
        # Sorted, since features are read from disk in that order.
        yield np.sort(now), bool(rng.random() < 0.5)


def _share(step: int, steps: int) -> float:
    """Return the share of the largest learning rate at a step."""
    rise = min(1.0, step / max(1.0, 0.05 * steps))
    return float(rise * (0.5 + 0.5 * np.cos(np.pi * step / steps)))


def _song_features(path: Path) -> Features:
    stems = np.asarray(read_song(path), dtype=np.float32)
    stems /= np.sqrt(np.mean(np.square(stems.sum(axis=0), dtype=np.float64)))
    return to_tensors(features_of(stems).batch(slice(None)))


def _watch(network: DemoNet, songs: Sequence[Features]) -> dict[str, float]:
    """Return the SDR in dB of each stem, mean over songs."""
    network.eval()
    with torch.no_grad():
        ratios = torch.stack([sdr_of_spectrograms(network(song.mixture), song)[0] for song in songs])
    network.train()
    mean = ratios.clamp(-30.0, 60.0).mean(dim=0).tolist()  # a silent stem has none
    return {"SDR": float(np.mean(mean))} | dict(zip(STEMS, mean, strict=True))


def main() -> None:
    """Read the command line and train."""
    parser = Parser(description=__doc__)
    add_options(parser, Files)
    add_options(parser, Plan)
    args = parser.parse_args(sys.argv[1:])
    files, plan = Files(**given(args, Files)), Plan(**given(args, Plan))
    torch.set_num_threads(files.jobs)
    write(train(plan, files.cache, jobs=files.jobs), files.out)


def write(training: Training, out: Path) -> None:
    """Write the model, its weights for PyTorch (``demo_net.pt``), ``curve.csv`` and ``training.json``."""
    out.mkdir(parents=True, exist_ok=True)
    torch.save(training.network.state_dict(), out / "demo_net.pt")
    write_model(training.network, out)
    with open(out / "curve.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(training.curve[0]), lineterminator="\n")
        table.writeheader()
        table.writerows({name: round(value, 4) for name, value in row.items()} for row in training.curve)
    facts = training.plan.values() | {
        "parameters": sum(p.numel() for p in training.network.parameters()),
        "cpu_minutes": round(training.seconds / 60, 1),
        "torch": torch.__version__,
    }
    (out / "training.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
