"""Any separator of this package, or of a plugin for it, where the package is installed over there, too.

For methods whose dependencies cannot stand beside each other in one environment, such as two versions of torch::

    python3 -m venv /venvs/umx && /venvs/umx/bin/pip install 'mss-bench[openunmix]'

    - {name: external, as: umx, python: /venvs/umx/bin/python, script: mss_bench,
       separator: {name: model, manifest: /models/umx/manifest.yaml}}

`separator` as in a run file, or in words: ``separator=hpss:kernel_size=31``. `plugin` is a Python file with separators.
The separator's version and the content of its files are part of the estimate key as they would be here.
"""

from __future__ import annotations

import sys
from typing import Any


class Separator:
    """A separator that is built and called over there as it would be here."""

    def __init__(self, separator: Any, plugin: str = "") -> None:
        from mss_bench.core.spec import Spec, build
        from mss_bench.separators import separators

        if plugin:
            separators.add_file(plugin)
        self.plugin = plugin
        self.made = build(separators, Spec.parse(separator))[0]
        if self.made.needs_track:
            sys.exit(f"{self.made.name} reads finished estimates; it needs no interpreter of its own")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.made, name)

    def environment(self) -> dict[str, Any]:
        from mss_bench.core.audio import hash_file
        from mss_bench.core.tracks import TrackId

        files: list[Any] = [*self.made.files(TrackId("", "", "")), *([self.plugin] if self.plugin else [])]
        return {"version": self.made.version, "files": [hash_file(f) for f in files], **self.made.environment()}

    def separate(
        self, mixture: Any, sample_rate: int, *, targets: Any, rng: Any, references: Any = None
    ) -> dict[str, Any]:
        from mss_bench.core.tracks import Targets

        derived = {name: stems for name, stems in targets.items() if name not in targets.stems}
        wanted = Targets(targets.stems, derived)
        return self.made.separate(mixture, sample_rate, targets=wanted, rng=rng, references=references)
