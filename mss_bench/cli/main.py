"""Enter ``mss-bench``: find the verb, import only its file, print errors as one line (wrong options with the usage).

Exit status: 0 done; 1 done, but something failed on the way (a cell, a check, the output's reader left); 2 wrong use or
input; 130 interrupted.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Sequence

from mss_bench import __version__
from mss_bench.cli import completion
from mss_bench.cli.options import Parser, sentence
from mss_bench.core.stages import stage, told
from mss_bench.core.streams import guarded_streams, tell
from mss_bench.errors import MssBenchError, UnknownNameError

__all__ = ["VERBS", "main"]

VERBS: dict[str, str] = {
    "run": "separate the tracks of a data set and score the estimates",
    "separate": "separate audio files of your own into stems",
    "init": "write a run file for a folder of songs",
    "score": "score estimates that exist already, in a folder",
    "report": "tables, plots and a page from a run",
    "robustness": "how long scores hold when mixtures are coded, limited, reverberant and more",
    "compare": "two methods on the same songs, in a sentence for a paper",
    "explain": "the components of an estimate as sound files and a picture: why a score is what it is",
    "status": "what of a run is done, failed and missing",
    "verify": "recompute some cells of a run and compare",
    "reproduce": "run what a bundle of results says again and compare",
    "results": "rebuild, export, merge or prune the tables of runs",
    "datasets": "list, show and check data sets",
    "separators": "list, show and check separators",
    "metrics": "list, show and check metrics",
    "protocols": "list, show and check scoring protocols: what published numbers are",
    "perturbations": "list, show and check what can happen to a mixture before it is separated",
    "leaderboard": "submit to, check, add to, verify, build and compare boards of methods",
    "listen": "listening tests: plan, pack, serve, analyse",
    "help": "what an error means and what to do, or the help of a verb",
}
"""Verb to help line; each is ``mss_bench.cli.<verb>`` with ``configure(parser)`` and ``execute(args)``."""


_COMPUTING = ("run", "score", "separate", "robustness")
_READER_SECONDS = 0.2  # in which a reader that wants no more leaves


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    # Whoever reads our output may leave, as `head` does, or its disk be full: what is computed goes on to its end.
    with guarded_streams() as output:
        words = completion.line() if completion.asked_for() else list(sys.argv[1:] if argv is None else argv)
        # The verb is found before parsing, so that only its own module is imported: --help stays fast.
        verb = next((w for w in words if not w.startswith("-")), None)
        status = _status(words, verb)
        output.flush()
        if verb in _COMPUTING:  # `run | head -1` has got all when it leaves, and read a line of it
            output.notice_reader(_READER_SECONDS)
        if output.error is not None:
            closed = isinstance(output.error, BrokenPipeError)
            if not closed or verb in _COMPUTING:  # of a list that is cut short, its reader knows
                reason = "it was closed" if closed else getattr(output.error, "strerror", None) or output.error
                kept = "; what was computed is kept" if verb in _COMPUTING else ""
                tell(f"mss-bench: standard output cannot be written: {reason}{kept}")
            status = status or 1
        return status


def _status(words: list[str], verb: str | None) -> int:
    try:
        return _main(words, verb)
    except MssBenchError as error:
        if _asked(words, "-v", "--verbose"):
            tell("".join(traceback.format_exception(error)).rstrip())
        # A table of files, say, whose last row is no place for it.
        between = "\n" if "\n" in str(error) else " "
        tell(f"mss-bench: {error}{between}[mss-bench help {error.code}]")
        return 2
    except KeyboardInterrupt:
        tell("mss-bench: interrupted")
        return 130


def _main(words: list[str], verb: str | None) -> int:
    parser = Parser(
        prog="mss-bench",
        description="Evaluation and benchmarking of musical source separation.",
        epilog="'mss-bench VERB --help' explains a verb. Start with: mss-bench run",
    )
    parser.add_argument("--version", action="version", version=f"mss-bench {__version__}")
    parser.add_argument(
        "--completion", choices=completion.SHELLS, metavar="SHELL",
        help="Print what completes this command by the tab key: for bash and zsh, add to their start-up file "
        'eval "$(mss-bench --completion bash)", for fish mss-bench --completion fish | source',
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    if verb is not None and verb not in VERBS and not completion.asked_for() and "--completion" not in words:
        raise UnknownNameError("verb", verb, VERBS)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=sentence(text))
        if name == verb:
            importlib.import_module(f"mss_bench.cli.{name}").configure(sub)
    if completion.asked_for():
        completion.complete(parser)
    args = parser.parse_args(words)
    if args.completion:
        print(completion.shell_code(args.completion))
        return 0
    if args.verb is None:
        parser.print_help()
        return 0
    with told(quiet=getattr(args, "quiet", False), verbose=getattr(args, "verbose", False)):
        with stage(f"mss-bench {' '.join(filter(None, [args.verb, getattr(args, 'action', '')]))} ended"):
            status: int = importlib.import_module(f"mss_bench.cli.{args.verb}").execute(args)
        return status


def _asked(words: Sequence[str], *flags: str) -> bool:
    """Return whether an option was typed, also where parsing has failed."""
    return bool({*flags} & {*words})


if __name__ == "__main__":
    sys.exit(main())
