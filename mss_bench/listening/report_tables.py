"""What a report's tables hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mss_bench.core.text import shortened
from mss_bench.listening.analysis import SystemTests
from mss_bench.listening.findings import Ears, Findings, Question
from mss_bench.listening.mixed import RatingModel
from mss_bench.listening.pairs import MODELS, PairScale, PairTests
from mss_bench.report.table import CellValue, Column, Table, TableCell, TableRow

if TYPE_CHECKING:
    import pandas as pd

    from mss_bench.listening.fit import Fit
    from mss_bench.listening.votes import Votes

__all__ = ["camp_table", "condition_table", "ear_tables", "fit_table", "listener_table", "p_cell", "question_tables"]

_SHOWN = 12  # signals with two camps that a page lists


def p_cell(p: float) -> TableCell:
    """Return the cell of a p value, as papers write it."""
    return TableCell("–" if p != p else "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0"), p)


def _table(
    name: str, title: str, frame: pd.DataFrame, columns: Mapping[str, str], notes: Sequence[str], digits: int = 2
) -> Table:
    """Make a table of a data frame.

    Parameters
    ----------
    name, title : str
    frame : DataFrame
        A row each; its index is a column, too.
    columns : mapping
        Heading to column of the frame. A heading that begins with ``p `` is of p values, one with ``%`` of shares,
        which are shown in percent.
    notes : sequence of str
    digits : int
        Decimals.
    """
    headings = [Column(heading, digits=1 if "%" in heading else digits) for heading in columns]
    rows = [
        [_value(heading, record[column]) for heading, column in columns.items()]
        for record in frame.reset_index().to_dict("records")
    ]
    return Table(title, headings, [rows], notes, name=name)


def _value(heading: str, value: Any) -> CellValue:
    if heading.startswith("p "):
        return p_cell(float(value))
    if "%" in heading:
        return 100 * float(value)
    return value if isinstance(value, str | bool | int | float) else float(value)


def listener_table(found: Findings) -> Table:
    """Return the audit trail of the screening, and the flags."""
    listeners = found.screening.listeners
    columns = {"listener": "listener"}
    # Columns of rules that had nothing to go by say nothing.
    if listeners["trials"].any():
        columns |= {"trials": "trials", "reference < 90": "reference_low", "% of trials": "reference_share"}
    if listeners["anchor_trials"].any():
        columns |= {"mid anchor > 90": "anchor_high", "% of those": "anchor_share"}
    columns |= {"excluded": "excluded", "reason": "reason", "flags": "flags"}
    flags = found.flags["flags"].reindex(listeners.index, fill_value="")
    frame = listeners.assign(flags=flags).sort_values(["excluded"], ascending=False, kind="stable")
    return _table("listeners", "Post-screening and flags", frame, columns, found.screening.rules)


def camp_table(found: Findings) -> Table:
    """Return the signals on which listeners fall into two camps."""
    notes = ["Bimodality coefficient above 5/9: two groups of listeners, or a long tail. A median says little of them."]
    more = len(found.camps) - _SHOWN
    columns = {"item": "item", "system": "system", "task": "task", "ratings": "n", "coefficient": "bimodality"}
    return _table("two_camps", "Signals on which listeners are of two minds", found.camps.head(_SHOWN), columns,
                  [*notes, *([f"And {more} more."] if more > 0 else [])])  # fmt: skip


def question_tables(question: Question) -> list[Table]:
    """Return the tables of a question, metrics aside."""
    tables = []
    if question.summary is not None:
        tables.append(_summary(question, question.summary))
    if question.tests is not None:
        tables.append(_pairs(question, question.tests))
    if question.model is not None:
        tables.append(_model(question, question.model))
    tables += [_strengths(question, scale) for scale in question.scales]
    if question.abx is not None:
        columns = {"system": "system", "answers": "n", "right": "right", "% right": "share", "% from": "low",
                   "% to": "high", "listeners": "listeners", "p guessing": "p",
                   "p answers alone": "p_answers"}  # fmt: skip
        notes = ["From, to: 95 %, over listeners. p guessing: one-sided, of listeners' shares by changes of their "
                 "signs; fewer than 5 listeners cannot be told from guessing. p answers alone: binomial test, as if "
                 "the answers of a listener were independent. Both after Holm."]  # fmt: skip
        tables.append(_table(question.file("abx"), "Right answers", question.abx, columns, notes))
    if question.votes is not None:
        tables += _votes(question, question.votes)
    if question.sides is not None and len(question.sides.pairs):
        tables.append(_preferences(question, question.sides))
    if question.reliability:
        rows: list[TableRow] = [[name, a.value, a.low, a.high, a.n] for name, a in question.reliability]
        notes = ["Alphas of different levels do not compare; n counts the rated signals (replicates: pairs)."]
        tables.append(Table("How far listeners agree", ["coefficient", "value", "from", "to", "n"], [rows], notes,
                            name=question.file("agreement")))  # fmt: skip
    if question.consistency is not None:
        notes = [
            "Lin's CCC of the systems' scores in trials that came again, of fewer than 3 none. 95 %, by Fisher's z."
        ]
        columns = {"listener": "listener", "CCC": "ccc", "from": "low", "to": "high", "n": "n"}
        tables.append(_table(question.file("replicates"), "How far each listener agrees with themselves",
                             question.consistency, columns, notes))  # fmt: skip
    if question.song_alphas is not None:
        notes = ["Krippendorff's alpha, interval, of the systems' scores; a song of one system or listener has none."]
        columns = {"song": "song", "alpha": "alpha", "signals": "n", "listeners": "listeners"}
        tables.append(_table(question.file("song_agreement"), "How far listeners agree on each song",
                             question.song_alphas, columns, notes))  # fmt: skip
    if question.needed:
        tables.append(_needed(question))
    return tables


def _needed(question: Question) -> Table:
    sizes: list[TableRow] = list(question.needed.items())
    plan = "To plan the next test with, not to judge this one."
    if question.sd != question.sd:  # answers, not scores
        notes = [f"Power 80 %, level 5 %, of independent answers. {plan}"]
        what = "votes" if question.votes else "answers"
        title, columns = f"{what.capitalize()} for a share to be told from guessing", ["true share", what]
    else:
        notes = [f"Power 80 %, level 5 %, paired; standard deviation of differences here {question.sd:.3g}. {plan}"]
        title, columns = "Listeners for a difference to be found", ["true difference on one item", "listeners"]
    return Table(title, columns, [sizes], notes, name=question.file("power"))


def _preferences(question: Question, tests: PairTests) -> Table:
    columns = {"pair": "pair", "% for the first": "share", "for / alike / against": "counts", "listeners": "listeners",
               "p Holm": "p"}  # fmt: skip
    counts = [f"{row.wins} / {row.ties} / {row.losses}" for row in tests.pairs.itertuples()]
    frame = tests.pairs.assign(pair=tests.pairs["a"] + " − " + tests.pairs["b"], counts=counts)
    side = (
        f"Of the two sides the first was chosen {tests.first} times, the second {tests.second}: p {tests.p_side:.2g}."
        if tests.first + tests.second
        else "Which side a sound was on is not known."
    )
    notes = ["p: listeners' preferences, by changes of their signs, after Holm over all pairs.", side]
    return _table(question.file("preferences"), "Pairs of systems", frame, columns, notes)


def _votes(question: Question, votes: Votes) -> list[Table]:
    p, p_answers = p_cell(votes.p).text, p_cell(votes.p_answers).text
    notes = [
        f"{votes.votes} votes of {votes.listeners} listeners; {100 * votes.chance:.1f} % by chance. All alike: p {p}, "
        f"of the votes alone {p_answers} (exact multinomial test; of very many votes its chi-square).",
        "p: listeners as units, were the systems of each in any other order; of the votes alone: binomial test, as if "
        "the votes of a listener were independent. After Holm. Intervals of 95 % over listeners.",
        f"Chosen at the first place, the second, ...: {', '.join(map(str, votes.places))}; p {votes.p_places:.2g}."
        if votes.places
        else "At which place a sound was is not known.",
    ]  # fmt: skip
    columns = {"system": "system", "votes": "votes", "% of votes": "share", "% from": "low", "% to": "high",
               "voted for by": "listeners", "p chance": "p", "p votes alone": "p_answers"}  # fmt: skip
    shares = _table(question.file("votes"), "Votes for the best", votes.systems, columns, notes)
    frame = votes.pairs.assign(
        pair=votes.pairs["a"] + " − " + votes.pairs["b"],
        counts=[f"{row.votes_a} / {row.votes_b}" for row in votes.pairs.itertuples()],
    )
    columns = {"pair": "pair", "% for the first": "share", "votes": "counts", "voted for by": "listeners",
               "p Holm": "p", "p votes alone": "p_answers"}  # fmt: skip
    notes = ["Of the votes for either of the two; tests as above, of two."]
    return [shares, _table(question.file("pairs"), "Pairs of systems", frame, columns, notes)]


def _summary(question: Question, frame: pd.DataFrame) -> Table:
    columns = {"signal": "system", "role": "role", "ratings": "n", "median": "median"}
    if question.centres_all is not None:
        frame = frame.assign(everybody=question.centres_all)
        columns |= {f"{question.centre}, everybody": "everybody"}
    columns |= {"q1": "q1", "q3": "q3", "median from": "median_low", "median to": "median_high", "mean": "mean",
                "t from": "t_low", "t to": "t_high", "mean from": "mean_low", "mean to": "mean_high"}  # fmt: skip
    notes = ["Median and quartiles of all ratings, replicates included; mean: the mean opinion score, over items, of "
             "the mean over listeners, with a t interval over listeners where all rated all items; the other intervals "
             "by a bootstrap of listeners and songs. All 95 %."]  # fmt: skip
    if question.tests is not None and question.tests.left_out:
        notes.append(f"Incomplete, and counted here: {shortened(question.tests.left_out)}.")
    return _table(question.file("scores"), "Scores", frame, columns, notes, _digits(question))


def _digits(question: Question) -> int:
    """Return the decimals of scores: one of a hundred points, two of a few grades."""
    return 1 if question.scale[1] - question.scale[0] > 20 else 2


def condition_table(found: Findings) -> pd.DataFrame:
    """Return a row for each signal of each item and question, by the ratings of the listeners that count."""
    import pandas as pd

    parts = []
    for question in found.questions:
        single = question.ratings.groupby(["item", "system", "role", "listener"])["score"].mean()
        own = single.groupby(["item", "system", "role"]).agg(["count", "mean", "std", "median"]).reset_index()
        own.insert(0, "target", question.target)
        own.insert(0, "task", question.task)
        parts.append(own.rename(columns={"count": "listeners"}))
    return pd.concat(parts, ignore_index=True)


def _pairs(question: Question, tests: SystemTests) -> Table:
    if tests.test == "crossed t":
        notes = [
            f"p: crossed t test over {tests.listeners} listeners and {tests.songs} songs, for listeners and songs like "
            "these, after Holm over all pairs; the interval is its own, of the pair alone. The tests by name take "
            "listeners' means, for these songs only; permutation: of the mean, by signs (p after Holm; Nemenyi's has "
            "its own correction)."
        ]
        if tests.left_out:
            notes.append(f"Incomplete, and left out of these tests: {shortened(tests.left_out)}.")
    else:
        notes = [
            f"Listeners rated parts: p by Wilcoxon's test of mean opinion scores over {tests.songs} songs, after Holm "
            "over all pairs; interval by a bootstrap of listeners and songs; better, alike and worse count songs."
        ]
    if tests.friedman is not None:
        f = tests.friedman
        notes.insert(0, f"Friedman's test: chi-square {f.statistic:.1f}, {f.df} degrees of freedom, p {f.p:.2g}; "
                        f"Kendall's W {f.w:.2f}.")  # fmt: skip
    counts = [f"{row.wins} / {row.ties} / {row.losses}" for row in tests.pairs.itertuples()]
    frame = tests.pairs.assign(pair=tests.pairs["a"] + " − " + tests.pairs["b"], counts=counts)
    columns = {"pair": "pair", "difference": "difference", "from": "low", "to": "high", "p alone": "p_alone",
               "p Holm": "p", "rank-biserial": "rank_biserial", "better / alike / worse": "counts"}  # fmt: skip
    if tests.test == "crossed t":
        columns |= {"p Wilcoxon": "p_wilcoxon", "p permutation": "p_permutation", "p Conover": "p_conover",
                    "p Nemenyi": "p_nemenyi"}  # fmt: skip
    return _table(question.file("pairs"), "Pairs of systems", frame, columns, notes)


def _model(question: Question, model: RatingModel) -> Table:
    frame = model.effects.copy()
    frame.loc[f"{model.reference} (compared with)", "estimate"] = model.reference_mean
    frame = frame.iloc[[-1, *range(len(frame) - 1)]]  # what the others are compared with comes first
    total = sum(model.variance.values()) or 1.0
    shares = ", ".join(f"{name} {100 * value / total:.0f} %" for name, value in model.variance.items())
    notes = [f"score = system + (1 | listener) + (1 | item) + (1 | item × system); variance: {shares}."]
    if not model.converged:
        notes.append("The fit did not converge: do not use these numbers.")
    columns = {"system": "system", "effect": "estimate", "error": "se", "from": "low", "to": "high", "p effect": "p"}
    return _table(question.file("mixed_model"), "Mixed model", frame, columns, notes, 1)


def _strengths(question: Question, scale: PairScale) -> Table:
    notes = ["Intervals of 95 % resample listeners; % by the model: how often it is chosen over another system."]
    if scale.strengths[["low", "high"]].isna().any(axis=None):
        notes.append("No interval (–) where all resamples are alike, as where all listeners gave the same answers.")
    if scale.model == "bradley_terry" and scale.tie:
        notes.append(f"Davidson's tie parameter {scale.tie:.2f}.")
    if not scale.bounded:
        notes.append("A system never lost to the others: half an answer was added each way to every pair.")
    counts = ["wins", "ties", "losses"]
    frame = scale.strengths.astype(dict.fromkeys(counts, "int64"))
    columns = {"system": "system", "strength": "strength", "from": "low", "to": "high", "% by the model": "p_win"}
    columns |= {name: name for name in counts}
    return _table(question.file(scale.model), MODELS[scale.model], frame, columns, notes)


def ear_tables(question: Question, ears: Ears) -> list[Table]:
    """Return the tables of metrics against the ratings."""
    answers = {v.metric: v.answer for v in ears.verdicts}
    best = ears.listeners
    notes = [
        "Pooled without references and anchors, the listeners that count, replicates averaged; intervals resample "
        "songs; in songs: means by Fisher's z; RMSE after the best monotone fit.",
        f"One listener has r {best['single']:.2f} with the median of the others; a metric can be expected to reach "
        f"{best['ceiling']:.2f} at best.",
        *ears.joined.notes,
        *([f"Lower is better, sign turned: {', '.join(ears.joined.turned)}."] if ears.joined.turned else []),
    ]
    columns = {"metric": "metric", "ranks these systems": "answer", "n": "n", "r": "r", "r from": "r_low",
               "r to": "r_high", "ρ": "rho", "ρ from": "rho_low", "ρ to": "rho_high", "τ": "tau", "RMSE": "rmse",
               "r in songs": "song_r_mean", "ρ in songs": "song_rho_mean", "ρ in songs, median": "song_rho_median",
               "r of systems": "system_r", "ρ of systems": "system_rho"}  # fmt: skip
    frame = ears.agreement.assign(answer=[answers.get(str(metric), "–") for metric in ears.agreement.index])
    frame = frame.astype({"n": "int64"})
    if ears.rho_all:
        frame = frame.assign(everybody=[ears.rho_all.get(str(metric), float("nan")) for metric in frame.index])
        columns |= {"ρ, everybody": "everybody"}
        notes.insert(1, "Everybody: with the listeners that post-screening leaves out.")
    title = "Metrics against ears" + (f": {ears.name}" if ears.name else "")
    tables = [_table(question.file("metrics", ears.name), title, frame, columns, notes)]
    if ears.verdicts:
        rows = [[v.metric, v.answer, v.why] for v in ears.verdicts]
        notes = ["Asked of the pairs that listeners tell apart (Holm, 5 %). Yes: all in the "
                 "same order, each surely (95 % over songs). Partly: at least two thirds, and at most one in six "
                 "reversed."]  # fmt: skip
        tables.append(Table("Can the metric rank these systems?", ["metric", "answer", "why"], [rows], notes,
                            name=question.file("verdicts", ears.name)))  # fmt: skip
    if len(ears.comparison):
        columns = {"metrics": "metrics", "r": "r_best", "r of other": "r_other", "r between": "r_between",
                   "from": "low", "to": "high", "Williams t of r": "t", "p Williams": "p_williams",
                   "Meng z of ρ": "z", "p Meng": "p_meng"}  # fmt: skip
        frame = ears.comparison.assign(metrics=ears.comparison["best"] + " − " + ears.comparison["other"])
        notes = ["From, to: difference of r, bootstrap of songs. p after Holm, as if signals were independent."]
        title = "Is the best metric better than the others?"
        tables.append(_table(question.file("metric_differences", ears.name), title, frame, columns, notes))
    return tables


def fit_table(found: Fit) -> Table:
    """Return how models do on what they have not seen."""
    columns = {"model": "model", "left out": "left_out", "error": "rmse", "from": "low", "to": "high", "r": "r",
               "ρ": "rho"}  # fmt: skip
    for heading, column in (("over mean", "over_mean"), ("over best metric", "over_best")):
        columns |= {heading: column, f"{heading}, from": f"{column}_low", f"{heading}, to": f"{column}_high"}
    frame = found.validation.replace({"left_out": {"song": "a song", "system": "a system"}})
    notes = ["Error: RMSE in points of what was left out; over: change of the error, negative is better; intervals "
             "resample what was left out, those of changes at 98.75 % for four models."]  # fmt: skip
    return _table("validation", "Models of the ratings, validated", frame, columns, notes)
