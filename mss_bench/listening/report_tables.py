"""What a report's tables hold."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mss_bench.listening.findings import Ears, Findings, Question
from mss_bench.listening.metrics_against_ears import Verdict
from mss_bench.listening.pack_format import key_folder
from mss_bench.listening.paper_tables import Cell, Table

if TYPE_CHECKING:
    from mss_bench.listening.fit import Fit

__all__ = ["camp_table", "checklist", "ear_tables", "fit_table", "listener_table", "question_tables"]

_SHOWN = 12  # signals with two camps that a page lists


def listener_table(found: Findings) -> Table:
    """The audit trail of the screening, and the flags."""
    rows: list[list[Cell]] = []
    for name, row in found.screening.listeners.iterrows():
        rows.append([
            str(name), int(row["trials"]), int(row["reference_low"]), 100 * float(row["reference_share"]),
            int(row["anchor_high"]), 100 * float(row["anchor_share"]), bool(row["excluded"]), str(row["reason"]),
            str(found.flags["flags"].get(name, "")),
        ])  # fmt: skip
    headings = ["listener", "trials", "reference < 90", "% of trials", "mid anchor > 90", "% of those", "excluded",
                "reason", "flags"]  # fmt: skip
    rows.sort(key=lambda row: (not row[6], str(row[0])))
    # Columns of rules that had nothing to go by say nothing.
    listeners = found.screening.listeners
    unused = {*(() if listeners["trials"].any() else (1, 2, 3)), *(() if listeners["anchor_trials"].any() else (4, 5))}
    kept = [place for place in range(len(headings)) if place not in unused]
    return Table("listeners", "Post-screening and flags", [headings[p] for p in kept],
                 [[row[p] for p in kept] for row in rows], 1, list(found.screening.rules))  # fmt: skip


def camp_table(found: Findings) -> Table:
    """Signals on which listeners fall into two camps."""
    rows: list[list[Cell]] = [
        [str(r["item"]), str(r["system"]), str(r["task"]), int(r["n"]), float(r["bimodality"])]
        for _, r in found.camps.head(_SHOWN).iterrows()
    ]
    more = len(found.camps) - len(rows)
    notes = ["Bimodality coefficient above 5/9: two groups of listeners, or a long tail. A median says little of them."]
    return Table("two_camps", "Signals on which listeners are of two minds",
                 ["item", "system", "task", "ratings", "coefficient"], rows, 2,
                 [*notes, *([f"And {more} more."] if more > 0 else [])])  # fmt: skip


def question_tables(question: Question) -> list[Table]:
    """The tables of a question, metrics aside."""
    found = []
    if question.summary is not None:
        found.append(_summary(question))
    if question.tests is not None:
        found.append(_pairs(question))
    if question.model is not None:
        found.append(_model(question))
    found += [_strengths(question, number) for number in range(len(question.scales))]
    if question.abx is not None:
        rows: list[list[Cell]] = [
            [str(name), int(r["n"]), int(r["right"]), 100 * float(r["share"]), 100 * float(r["low"]),
             100 * float(r["high"]), float(r["p"])]
            for name, r in question.abx.iterrows()
        ]  # fmt: skip
        found.append(Table(_name(question, "abx"), "Right answers",
                           ["system", "answers", "right", "%", "from", "to", "p guessing"], rows, 1,
                           ["Exact 95 % interval; one-sided binomial test, Holm."]))  # fmt: skip
    if question.reliability:
        body: list[list[Cell]] = [[n, a.value, a.low, a.high, a.n] for n, a in question.reliability]
        found.append(Table(_name(question, "agreement"), "How far listeners agree",
                           ["coefficient", "value", "from", "to", "n"], body, 2,
                           ["Alphas of different levels do not compare; n counts the rated signals (replicates: "
                            "pairs)."]))  # fmt: skip
    if question.needed:
        sizes: list[list[Cell]] = [[f"{d:g} points", n] for d, n in question.needed]
        found.append(Table(_name(question, "power"), "Listeners for a difference to be found",
                           ["true difference on one item", "listeners"], sizes, 0,
                           [f"Power 80 %, level 5 %, paired; standard deviation of differences here {question.sd:.1f} "
                            "points. To plan the next test with, not to judge this one."]))  # fmt: skip
    return found


def _name(question: Question, what: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{question.task} {question.target} {what}").strip("_").lower()


def _summary(question: Question) -> Table:
    assert question.summary is not None
    everybody = None
    if question.summary_all is not None:
        everybody = {str(name): float(value) for name, value in question.summary_all["median"].items()}
    columns = ("q1", "q3", "median_low", "median_high", "mean", "t_low", "t_high", "mean_low", "mean_high")
    rows: list[list[Cell]] = []
    for name, r in question.summary.iterrows():
        row: list[Cell] = [str(name), str(r["role"]), int(r["n"])]
        row += [float(r["median"]), *([everybody[str(name)]] if everybody is not None else [])]
        row += [float(r[c]) for c in columns]
        rows.append(row)
    headings = ["signal", "role", "ratings", "median", *(["without screening"] if everybody is not None else []), "q1",
                "q3", "median from", "median to", "mean", "t from", "t to", "mean from", "mean to"]  # fmt: skip
    return Table(
        _name(question, "scores"), "Scores", headings, rows, 1,
        ["Median and quartiles of all ratings, replicates included; mean of the listeners' means, t interval over "
         "listeners; the other intervals by a bootstrap of listeners and songs. All 95 %."],
    )  # fmt: skip


def _pairs(question: Question) -> Table:
    assert question.tests is not None
    tests = question.tests
    rows: list[list[Cell]] = [
        [f"{r['a']} − {r['b']}", float(r["difference"]), float(r["low"]), float(r["high"]), float(r["rank_biserial"]),
         f"{r['wins']} / {r['ties']} / {r['losses']}", float(r["p_conover"]), float(r["p_wilcoxon"]),
         float(r["p_permutation"]), float(r["p_nemenyi"])]
        for _, r in tests.pairs.iterrows()
    ]  # fmt: skip
    notes = [
        f"Over {tests.listeners} listeners, each with the mean of their items; interval by a bootstrap of listeners "
        "and songs; p after Holm (Nemenyi's has its own correction). Permutation: difference of medians, "
        "systems swapped within listeners."
    ]
    if tests.friedman is not None:
        f = tests.friedman
        notes.insert(0, f"Friedman's test: chi-square {f.statistic:.1f}, {f.df} degrees of freedom, p {f.p:.2g}; "
                        f"Kendall's W {f.w:.2f}.")  # fmt: skip
    headings = ["pair", "difference", "from", "to", "rank-biserial", "better / alike / worse", "p Conover",
                "p Wilcoxon", "p permutation", "p Nemenyi"]  # fmt: skip
    return Table(_name(question, "pairs"), "Pairs of systems", headings, rows, 2, notes)


def _model(question: Question) -> Table:
    assert question.model is not None
    model = question.model
    rows: list[list[Cell]] = [[f"{model.reference} (compared with)", model.reference_mean, *[float("nan")] * 4]]
    rows += [[str(name), *(float(r[c]) for c in ("estimate", "se", "low", "high", "p"))]
             for name, r in model.effects.iterrows()]  # fmt: skip
    total = sum(model.variance.values()) or 1.0
    shares = ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in model.variance.items())
    notes = [f"score = system + (1 | listener) + (1 | item) + (1 | item × system); variance: {shares}."]
    if not model.converged:
        notes.append("The fit did not converge: do not use these numbers.")
    return Table(_name(question, "mixed_model"), "Mixed model", ["system", "effect", "error", "from", "to", "p effect"],
                 rows, 1, notes)  # fmt: skip


def _strengths(question: Question, number: int) -> Table:
    scale = question.scales[number]
    title = {"bradley_terry": "Bradley-Terry", "thurstone": "Thurstone, case V"}[scale.model]
    rows: list[list[Cell]] = [
        [str(name), float(r["strength"]), float(r["low"]), float(r["high"]), 100 * float(r["p_win"]), int(r["wins"]),
         int(r["ties"]), int(r["losses"])]
        for name, r in scale.strengths.iterrows()
    ]  # fmt: skip
    notes = [f"Intervals of {scale.level:.0%} resample listeners."]
    if scale.model == "bradley_terry" and scale.tie:
        notes.append(f"Davidson's tie parameter {scale.tie:.2f}.")
    if not scale.bounded:
        notes.append("A system never lost to the others: half an answer was added each way to every pair.")
    headings = ["system", "strength", "from", "to", "% chosen", "wins", "ties", "losses"]
    return Table(_name(question, scale.model), title, headings, rows, 2, notes)


def ear_tables(question: Question, ears: Ears) -> list[Table]:
    """Metrics against the ratings."""
    part = f" {ears.name}" if ears.name else ""
    told = {v.metric: v for v in ears.verdicts}
    rows: list[list[Cell]] = []
    for name, r in ears.agreement.iterrows():
        columns = ("r", "r_low", "r_high", "rho", "rho_low", "rho_high", "tau", "rmse", "song_r_mean", "song_rho_mean",
                   "song_rho_median", "system_r", "system_rho")  # fmt: skip
        verdict = told.get(str(name))
        rows.append([str(name), verdict.answer if verdict else "–", int(r["n"]), *(float(r[c]) for c in columns)])
    headings = ["metric", "ranks these systems", "n", "r", "from", "to", "ρ", "from ", "to ", "τ", "RMSE", "r in songs",
                "ρ in songs", "ρ in songs, median", "r of systems", "ρ of systems"]  # fmt: skip
    best = ears.listeners
    notes = [
        "Pooled without references and anchors, all listeners, replicates averaged; intervals resample songs; in "
        "songs: means by Fisher's z; RMSE after the best monotone fit.",
        f"One listener has r {best['single']:.2f} with the median of the others; a metric can be expected to reach "
        f"{best['ceiling']:.2f} at best.",
        *ears.joined.notes,
        *([f"Lower is better, sign turned: {', '.join(ears.joined.turned)}."] if ears.joined.turned else []),
    ]
    found = [
        Table(_name(question, f"metrics{part}"), f"Metrics against ears{part and ':' + part}", headings, rows, 2, notes)
    ]
    if ears.verdicts:
        found.append(_verdicts(question, ears.verdicts, part))
    if len(ears.comparison):
        lines: list[list[Cell]] = [
            [f"{r['best']} − {r['other']}", *(float(r[c]) for c in ("r_best", "r_other", "r_between", "low", "high",
                                                                    "t", "p_williams", "z", "p_meng"))]
            for _, r in ears.comparison.iterrows()
        ]  # fmt: skip
        found.append(Table(
            _name(question, f"metric_differences{part}"), "Is the best metric better than the others?",
            ["metrics", "r", "r of other", "r between", "from", "to", "Williams t of r", "p Williams", "Meng z of ρ",
             "p Meng"],
            lines, 2, ["From, to: difference of r, bootstrap of songs. p after Holm, as if signals were independent."],
        ))  # fmt: skip
    return found


def _verdicts(question: Question, told: list[Verdict], part: str) -> Table:
    rows: list[list[Cell]] = [[v.metric, v.answer, str(v).partition(": ")[2]] for v in told]
    return Table(
        _name(question, f"verdicts{part}"), "Can the metric rank these systems?", ["metric", "answer", "why"], rows, 2,
        ["Asked of the pairs that listeners tell apart (Conover over listeners, Holm, 5 %). Yes: all in the same "
         "order, each surely (95 % over songs). Partly: at least two thirds, and at most one in six reversed."],
    )  # fmt: skip


def fit_table(found: Fit) -> Table:
    """Models on what they have not seen."""
    what = {"song": "a song", "system": "a system"}
    columns = ("rmse", "low", "high", "r", "rho", "over_mean", "over_mean_low", "over_mean_high", "over_best",
               "over_best_low", "over_best_high")  # fmt: skip
    rows: list[list[Cell]] = [
        [str(r["model"]), what[str(r["left_out"])], *(float(r[c]) for c in columns)]
        for _, r in found.validation.iterrows()
    ]
    headings = ["model", "left out", "error", "from", "to", "r", "ρ", "over mean", "from ", "to ", "over best metric",
                "from  ", "to  "]  # fmt: skip
    return Table("validation", "Models of the ratings, validated", headings, rows, 2, [
        "Error: RMSE in points of what was left out; over: change of the error, negative is better; intervals resample "
        "what was left out, those of changes at 98.75 % for four models."])  # fmt: skip


def checklist(pack: Path) -> Table | None:
    """The checklist of BS.1534-3 from the pack's verification report; None where there is none."""
    file = key_folder(pack) / "verification.md"
    if not file.is_file():
        return None
    _, _, text = file.read_text(encoding="utf-8").partition("# Checklist of ITU-R BS.1534-3")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows: list[list[Cell]] = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]
    rows = [[*row, *[""] * (3 - len(row))][:3] for row in rows]
    if not rows:
        return None
    note = next((line for line in text.splitlines() if line.startswith("The test follows")), "")
    return Table(
        "checklist", "Checklist of ITU-R BS.1534-3", ["point", "met", "found"], rows, 2, [note] if note else []
    )
