"""``mss-bench separators``."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from typing import TYPE_CHECKING

from mss_bench.cli.options import (
    Action,
    documentation,
    parameter_table,
    print_checks,
    terminal_width,
    verb,
)
from mss_bench.cli.registered import OfRegistry
from mss_bench.core.parameters import param

if TYPE_CHECKING:
    from mss_bench.separators.deep.model import TrainedModel

__all__ = ["ACTIONS", "configure", "execute"]


class List(OfRegistry):
    """List every separator, with what it delivers."""

    registered = "separators"

    def execute(self) -> int:
        """Print the list."""
        from mss_bench.report.table import Table, TableCell, TableRow
        from mss_bench.separators import separators

        rows: list[TableRow] = [
            [TableCell(name, tag="oracle" if cls.needs_references else ""), _delivers(cls), _summary(cls)]
            for name, cls in separators.load_all().items()
        ]
        print(Table("", ["name", "delivers", "what it is"], [rows]).console(terminal_width()))
        print("\nParameters, assumption and citation: mss-bench separators show NAME")
        for problem in separators.problems:
            print(f"note: {problem}", file=sys.stderr)
        return 0


class Show(List):
    """Show parameters, assumption, citation and needs of one separator."""

    separator: str = param(flag="NAME", metavar="NAME", doc="Separator.")

    def execute(self) -> int:
        """Print its facts, parameters and documentation."""
        from mss_bench.core.text import columns
        from mss_bench.separators import separators
        from mss_bench.separators.published import published_lines

        if self.separator not in separators:
            _refuse_metric(self.separator)
        cls = separators.load(self.separator)
        facts = [
            ("version", cls.version),
            ("from", separators.origin(self.separator)),
            ("delivers", _delivers(cls)),
            ("channels", " or ".join(map(str, cls.channels)) or "any"),
            ("oracle", "yes, it is given the references" if cls.needs_references else "no"),
            ("adds up to the mixture", "yes" if cls.adds_up else "no"),
            ("deterministic", "yes" if cls.deterministic else "no"),
            ("random", "yes, by its seed" if cls.random is True else "no"),
            ("assumption", cls.assumption),
            ("trained on", ", ".join(cls.trained_on)),
            ("needs", f"pip install 'mss-bench[{cls.extra}]'" if cls.extra else ""),
            ("licence", cls.licence),
            ("citation", cls.citation),
            ("differs from the paper in", cls.differs_from_paper()),
            *published_lines(self.separator),
        ]
        print(self.separator)
        print(columns([fact for fact in facts if fact[1]], indent="  ", width=terminal_width()))
        print()
        print(parameter_table(cls))
        print(documentation(cls))
        return 0


class Check(List):
    """Check a separator against the contract."""

    spec: str = param(
        flag="SPEC", metavar="SPEC",
        doc="Separator as name or name:key=value, a Python file with separators, or a model's manifest (.yaml).",
    )  # fmt: skip

    def execute(self) -> int:
        """Print the checks; the status is 1 where one fails."""
        from mss_bench.core.processes import THREADS

        # One, as workers have: the cost is that of tables then, and threads do not spin where others compute.
        os.environ |= dict.fromkeys(THREADS, "1")
        from mss_bench.core.spec import Spec, build
        from mss_bench.separators.contract import check_separator
        from mss_bench.separators.deep.model import Model, TrainedModel

        if self.spec.endswith((".yaml", ".yml")) and self.spec.partition(":")[0] not in self.registry:
            return _check_model(self.spec, Model(manifest=self.spec))
        specs = self.specs(self.spec)
        models = {name: build(self.registry, Spec.parse(name))[0] for name in specs}
        trained = {name: model for name, model in models.items() if isinstance(model, TrainedModel)}
        status = max((_check_model(name, model) for name, model in trained.items()), default=0)
        others = [name for name in specs if name not in trained]
        return max(status, self.checked(others, check_separator))


def _refuse_metric(name: str) -> None:
    """Refuse the name of a metric, such as that of a transcriber, with the command that shows it."""
    from mss_bench.errors import ConfigError
    from mss_bench.metrics import metrics

    if name in metrics:
        raise ConfigError(f"{name} is a metric, no separator: mss-bench metrics show {shlex.quote(name)}")


def _delivers(cls: type) -> str:
    sets = getattr(cls, "target_sets", ())
    return " or ".join("/".join(s) for s in sets) or "any stems"


def _summary(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _check_model(name: str, model: TrainedModel) -> int:
    """Print the checks of a trained model and, where they pass, what it makes of some seconds of music."""
    from mss_bench.core.text import columns
    from mss_bench.datasets.catalog import unknown_training
    from mss_bench.report.table import Column, Table, TableRow
    from mss_bench.running.trial import trial
    from mss_bench.separators.contract import check_separator

    model.described.require_weights()
    rate = model.described.sample_rate
    if status := print_checks(name, check_separator(model, sample_rate=rate)):
        return status
    tried = trial(model, sample_rate=rate)
    rows: list[TableRow] = [[s.name, s.scored_as or "–", s.level, s.gain, s.sdr] for s in tried.stems]
    heads: list[Column | str] = [
        "delivered",
        "scored as",
        *(Column(name, "right", "dB", 1) for name in ("level", "target's gain", "SDR")),
    ]
    print(f"\n8 s of the demo's song {tried.song!r}")
    print(Table("", heads, [rows]).console(terminal_width()))
    adds = "add up to the mixture" if tried.left < -60 else "do not add up to the mixture"
    facts = [
        (
            "table",
            "level: of the stem in the mixture; target's gain: of the true stem in it, 0 dB where the level is right; "
            "SDR: against the true stem",
        ),
        ("stems", f"{adds} (what is left: {tried.left:.0f} dB)"),
        (
            "speed",
            f"{tried.speed:.1f} x real time in CPU seconds, as tables of costs have it; it took "
            f"{tried.separate_s:.1f} s on {tried.device}, and {tried.load_s:.1f} s to load",
        ),
        (
            "memory",
            f"{tried.memory_mb:.0f} MiB at the peak of the whole process, as tables of costs have it: "
            f"{tried.separate_mb:.0f} MiB for these 8 s, the rest Python, libraries and the loaded model",
        ),
        *(("note", notice) for notice in (*tried.notices, unknown_training(model.trained_on)) if notice),
    ]
    print(columns(facts, indent="  ", width=terminal_width()))
    return 0


ACTIONS: dict[str, type[Action]] = {"list": List, "show": Show, "check": Check}

configure, execute = verb(ACTIONS)
