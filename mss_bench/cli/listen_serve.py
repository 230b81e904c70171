"""``mss-bench listen serve``."""

from __future__ import annotations

import argparse
from pathlib import Path
from urllib.parse import urlsplit

from mss_bench.cli.arguments import positive_int
from mss_bench.errors import ConfigError

__all__ = ["configure", "execute"]

_OPEN_PLACES = 500


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("pack", type=Path, metavar="PACK", help="folder that listen pack made")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 opens it to the network (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=8765, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--url", type=_url, help="what links begin with, where a proxy stands before it")
    parser.add_argument(
        "--listeners", type=_count, metavar="N", help="links of their own (default: as many as the pack has orders)"
    )
    parser.add_argument(
        "--open", type=positive_int, nargs="?", const=_OPEN_PLACES, default=0, metavar="N",
        help="a join link, too, by which N new listeners may come (%(const)s unless told)",
    )  # fmt: skip
    parser.add_argument(
        "--participant-parameter", default="PROLIFIC_PID", metavar="NAME",
        help="the join link's parameter with a panel's participant id (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--completion-url", type=_url, metavar="URL", help="where listeners end")
    parser.add_argument("--headphone-check", action="store_true", help="by antiphase loudness, before the training")
    parser.add_argument("--consent", type=Path, metavar="TEXT", help="a file with the text that listeners agree to")
    parser.add_argument("--ask-name", action="store_true", help="ask for and store listeners' names")
    parser.add_argument(
        "--export", action="store_true", help="serve nothing: write the ratings so far to PACK.results/ratings.csv"
    )


def execute(args: argparse.Namespace) -> int:
    """Serve a pack."""
    if args.export:
        from mss_bench.listening.server.export import write_ratings_file

        print(write_ratings_file(args.pack))
        return 0
    from mss_bench.listening.server.flow import CONSENT, Options
    from mss_bench.listening.server.run import serve

    options = Options(
        completion_url=args.completion_url or "", headphone_check=args.headphone_check, open_places=args.open,
        participant_parameter=args.participant_parameter, ask_name=args.ask_name,
        consent=CONSENT if args.consent is None else _text(args.consent),
    )  # fmt: skip
    serve(args.pack, options, host=args.host, port=args.port, listeners=args.listeners, url=args.url or "")
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--consent {path} cannot be read: {error}") from error


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; expected e.g. https://example.org/path")
    return text
