"""Options of a verb, taken from declared parameters.

A verb names the class that declares them, and gets back what the user gave::

    add_options(parser, RunOptions, ["dataset", "separators", "jobs"])
    ...
    options = RunOptions(**given(args, RunOptions))

``max_tracks`` becomes ``--max-tracks`` unless the declaration has a `flag` (one without a dash is a positional
argument); a truth value becomes a switch, ``--no-doctor`` where its default is true; a tuple may be repeated, and a
metavar like ``NAME,...`` or ``SPEC,...`` means that one argument may hold several, separated by commas (`split_list`).
Names of songs and files, which may hold commas, are given one at a time. Values are checked by `Parameter.convert`, so
that a wrong one gets the same message as in YAML and Python, with the flag as its name.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import re
import shutil
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from mss_bench.cli import completion
from mss_bench.core.parameters import Parameter, Parameterized, RefusedError, param, parameters
from mss_bench.errors import ConfigError, UnknownNameError, nearest

if TYPE_CHECKING:
    from mss_bench.core.checks import CheckResult

__all__ = [
    "Action", "Parser", "Shared", "add_actions", "add_options", "as_typed", "documentation", "execute_action", "given",
    "parameter_table", "parsed", "print_checks", "sentence", "split_list", "terminal_width", "verb",
]  # fmt: skip

OTHER_SPELLINGS = {
    "--catalog": ("--datasets",), "--metrics": ("--metric",), "--page": ("--track",), "--tracks": ("--track",),
    "--overwrite": ("--force",), "--metric-table": ("--metrics",),
    "--separator": ("--separators", "--method", "--methods"), "--targets": ("--target",),
}  # fmt: skip
"""Flag to further spellings, mostly former ones, which are accepted but not shown."""


class Shared(Parameterized):
    """Declare options that mean the same in every verb that has them."""

    run: Path = param(flag="RUN", metavar="RUN", doc="Run folder.")
    quiet: bool = param(False, short="-q", doc="No progress and no table.")


class Action(Parameterized):
    """Base of a verb or one of its actions; the docstring is the help, the parameters are the options.

    Attributes
    ----------
    option_groups : mapping of str to tuple of str
        Title of a group of options in the help, and the parameters in it; the others come first, without a title.
    """

    option_groups: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def execute(self) -> int | None:
        """Execute the action and return the exit status, None for 0."""
        raise NotImplementedError


def terminal_width() -> int:
    """Return the columns of the terminal, between 80 and 160; 120 where the output is not a terminal."""
    return max(80, min(160, shutil.get_terminal_size((120, 24)).columns))


_Made = TypeVar("_Made")

_Container = argparse._ActionsContainer  # a parser or a group of one; argparse has no public name for both


def add_options(parser: _Container, cls: type, names: Iterable[str] = (), **changes: dict[str, Any]) -> None:
    """Add an option for each parameter of a class.

    Parameters
    ----------
    parser : argparse.ArgumentParser or a group of it
    cls : type
        Declares the parameters.
    names : iterable of str, optional
        Only these, in this order.
    **changes
        Attributes of a `Parameter` that this verb overrides: ``seed={"doc": "Seed of the draw."}``.
    """
    known = parameters(cls)
    for name in list(names) or known:
        _add_option(parser, replace(known[name], **changes.get(name, {})))


def add_actions(
    parser: argparse.ArgumentParser, actions: Mapping[str, type[Any]], groups: Mapping[str, str] | None = None
) -> None:
    """Add a parser for each action of a verb.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    actions : mapping of str to type
        Names of two words, such as ``arena build``, are actions of a group.
    groups : mapping of str to str, optional
        The groups, with what they are about.
    """
    below: dict[str, argparse._SubParsersAction[argparse.ArgumentParser]] = {}
    below[""] = parser.add_subparsers(dest="action", metavar="ACTION", required=True, title="actions")
    for name, action in actions.items():
        group_name, _, word = name.rpartition(" ")
        if group_name not in below:
            text = (groups or {})[group_name]
            group = below[""].add_parser(group_name, help=text[0].lower() + text[1:-1], description=text)
            below[group_name] = group.add_subparsers(dest="below", metavar="ACTION", required=True, title="actions")
        text = (action.__doc__ or "").partition("\n")[0]
        own = below[group_name].add_parser(word, help=text[0].lower() + text[1:-1], description=text)
        own.set_defaults(action=name)
        titled: Mapping[str, tuple[str, ...]] = getattr(action, "option_groups", {})
        grouped = {parameter for names in titled.values() for parameter in names}
        add_options(own, action, [parameter for parameter in parameters(action) if parameter not in grouped])
        for title, names in titled.items():
            add_options(own.add_argument_group(title), action, names)


def execute_action(args: argparse.Namespace, action: type[Any]) -> int:
    """Make an action with the options that were given, execute it and return the exit status."""
    status: int | None = parsed(args, action).execute()
    return status or 0


def verb(
    actions: type[Any] | Mapping[str, type[Any]], groups: Mapping[str, str] | None = None, epilog: str | None = None
) -> tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], int]]:
    """Return what makes the module of a verb: ``configure(parser)`` and ``execute(args)``.

    Parameters
    ----------
    actions : type, or mapping of str to type
        What the verb does, or what each of its actions does; `add_actions` says how they are named.
    groups : mapping of str to str, optional
        As for `add_actions`.
    epilog : str, optional
        What stands below the verb's help.
    """

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.epilog = epilog
        if isinstance(actions, Mapping):
            add_actions(parser, actions, groups)
        else:
            add_options(parser, actions)

    def execute(args: argparse.Namespace) -> int:
        return execute_action(args, actions[args.action] if isinstance(actions, Mapping) else actions)

    return configure, execute


def sentence(text: str) -> str:
    """Return a help line as a sentence."""
    return f"{text[0].upper()}{text[1:]}."


def given(args: argparse.Namespace, cls: type) -> dict[str, Any]:
    """Return the parameters of a class that the user gave, by name."""
    values = {name: getattr(args, name) for name in parameters(cls) if hasattr(args, name)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def parsed(args: argparse.Namespace, cls: type[_Made], **further: Any) -> _Made:
    """Make an instance with the parameters that the user gave and further ones.

    Raises
    ------
    ConfigError
        A parameter is wrong; named as it was typed: ``--shard``.
    """
    try:
        return cls(**given(args, cls), **further)
    except RefusedError as error:
        raise as_typed(error, cls) from error


def as_typed(error: RefusedError, cls: type) -> ConfigError:
    """Return the refusal of a parameter, naming its flag."""
    parameter = parameters(cls)[error.parameter]
    message = str(error)
    return ConfigError(flag_of(parameter) + message[message.index(f"{parameter.name} is ") + len(parameter.name) :])


def flag_of(parameter: Parameter) -> str:
    """Return the flag of a parameter."""
    switch_off = _has(parameter, bool) and parameter.default is True
    return parameter.flag or ("--no-" if switch_off else "--") + parameter.name.replace("_", "-")


def _add_option(parser: _Container, parameter: Parameter) -> None:
    # Absent options leave no attribute, so that `given` tells them from those given with their default.
    switch = _has(parameter, bool)
    flag = flag_of(parameter)
    if flag.startswith("--no-"):  # which does the opposite of what the parameter says
        verb, _, rest = parameter.doc.removesuffix(".").partition(" ")
        parameter = replace(parameter, doc=f"Do not {verb.lower()} {rest} (default: {verb.lower()})")
    arguments: dict[str, Any] = {"default": argparse.SUPPRESS, "help": help_text(parameter)}
    if switch:
        arguments |= {"action": "store_const", "const": parameter.default is not True}
    elif hasattr(parameter.kind, "from_parameter"):  # which takes several texts, and says what is wrong with them
        arguments |= {"metavar": parameter.metavar or _metavar(parameter), "action": "append"}
    else:
        arguments |= {"metavar": parameter.metavar or _metavar(parameter), "type": _reader(parameter, flag)}
    if parameter.many:
        arguments["action"] = _Extend
    if parameter.bare is not None:
        arguments |= {"nargs": "?", "const": parameter.bare}
    if not is_option(parameter):
        least = {True: "+", False: "*"} if parameter.many else {True: None, False: "?"}
        action = parser.add_argument(parameter.name, nargs=least[parameter.required], **arguments)
    else:
        flags = [parameter.short, flag] if parameter.short else [flag]
        action = parser.add_argument(*flags, dest=parameter.name, required=parameter.required, **arguments)
    if names := completion.completer(parameter):
        action.completer = names  # type: ignore[attr-defined]  # which argcomplete looks for
    if others := OTHER_SPELLINGS.get(flag):
        parser.add_argument(*others, dest=parameter.name, **(arguments | {"help": argparse.SUPPRESS}))


class _Extend(argparse.Action):
    """Collect the values of an option that is given several times."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        groups = values if isinstance(values, list) else [values]  # a list for positional arguments
        before = getattr(namespace, self.dest, ())
        setattr(namespace, self.dest, (*before, *(value for group in groups for value in group)))


def _reader(parameter: Parameter, flag: str) -> Callable[[str], Any]:
    """Return what turns the text of a command line into a value; the error names the flag."""
    shown = replace(parameter, name=flag if flag.startswith("-") else parameter.metavar or parameter.name)
    divided = parameter.many and "," in parameter.metavar
    inner = typing.get_args(parameter.kind)
    # An option that is repeated holds one value each time: its message asks for one value, not for a list.
    one = replace(shown, kind=inner[0]) if parameter.many and not divided and inner else shown

    def read(text: str) -> Any:
        if typing.get_origin(parameter.kind) is dict:
            return shown.convert(_mapping(text, flag))
        parts = split_list(text) if divided else [text]
        if not any(parts) and (parameter.many or parameter.default != ""):  # of an empty variable in a script, perhaps
            raise ConfigError(one.refusal(text))
        with contextlib.suppress(ConfigError):
            if "" not in parts:
                return shown.convert(parts if parameter.many else text)
        # Not text, so perhaps a number: the message then shows the value as in YAML and Python.
        values = list(map(_number, parts))
        return shown.convert(values if len(values) > 1 else values[0])

    return read


def split_list(text: str) -> list[str]:
    """Return the items of a list as the command line takes it: ``SDR,si_sdr`` or ``hpss:power=2,mask=soft,irm``.

    A comma before ``key=`` continues the parameters of the name before it. Semicolons, which separated lists of metrics
    in earlier versions, are accepted as well.
    """
    items: list[str] = []
    for several in text.split(";"):
        if items and re.search("[:,]map=", items[-1]) and re.match("[^:,]+=", several):  # lines of one map
            items[-1] += f";{several}"
            continue
        first = len(items)  # text after a semicolon never continues the name before it
        for part in filter(None, map(str.strip, several.split(","))):
            if len(items) > first and ":" in items[-1] and re.match(r"[A-Za-z_]\w*=", part):
                items[-1] += f",{part}"
            else:
                items.append(part)
    return items


def _mapping(text: str, flag: str) -> dict[str, str]:
    """Return ``a=b,c=d`` as a mapping."""
    pairs: dict[str, str] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if not (name and value) or name in pairs:
            raise ConfigError(f"{flag} {text!r}: {part!r} is not name=value, or repeats a name; expected a=b,c=d")
        pairs[name] = value
    return pairs


def _number(text: str) -> Any:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def is_option(parameter: Parameter) -> bool:
    """Return whether a parameter is given with a flag, not as a positional argument."""
    return not parameter.flag or parameter.flag.startswith("-")


def help_text(parameter: Parameter) -> str:
    """Return the help of an option: its sentence, unit, choices and default, in one style."""
    doc = " ".join(parameter.doc.replace("`", "").split())
    written = re.search(r"\s*\(default: (.*)\)\.?$", doc)  # a default that is no value: "one a core"
    default = written[1] if written else _default(parameter)
    doc = (doc[: written.start()] if written else doc).removesuffix(".")
    words = () if callable(parameter.choices) else parameter.words
    facts = [
        parameter.unit if parameter.unit.upper() not in (parameter.metavar.upper(), *doc.upper().split()) else "",
        ", ".join(words) if not all(word in doc for word in words) else "",
        "repeatable" if parameter.many and is_option(parameter) else "",
        "required" if parameter.required and is_option(parameter) else "",
        f"default: {default}" if default else "",
    ]
    shown = "; ".join(filter(None, facts))
    return (f"{doc} ({shown})" if shown else doc).replace("%", "%%")


def parameter_table(cls: type, defaults: Mapping[str, Any] | None = None, leave_out: Iterable[str] = ()) -> str:
    """Return the parameters of a class as a table of names with defaults, meanings and expected values.

    Parameters
    ----------
    cls : type
        Declares the parameters.
    defaults : mapping, optional
        Defaults to show instead of the declared ones, by name.
    leave_out : iterable of str
        Names to leave out.
    """
    from mss_bench.core.spec import format_params
    from mss_bench.report.table import Table

    rows = [
        [
            f"{p.name} (required)" if p.required else format_params({p.name: (defaults or {}).get(p.name, p.default)}),
            p.doc.replace("`", ""),
            p.expected,
        ]
        for p in parameters(cls).values()
        if p.name not in leave_out
    ]
    return Table("", ["parameter", "what it does", "expected"], [rows]).console(terminal_width()) + "\n" if rows else ""


def documentation(cls: type) -> str:
    """Return the docstring of a class, as wide as the terminal."""
    from mss_bench.core.text import prose

    return prose(inspect.cleandoc(vars(cls).get("_bare_doc") or cls.__doc__ or ""), terminal_width())


def print_checks(name: str, results: Sequence[CheckResult]) -> int:
    """Print the results of a contract suite and return the exit status, 1 where a check fails."""
    from mss_bench.core.text import columns

    print(name)
    print(columns([("ok" if r.passed else "FAIL", r.name, r.detail) for r in results], indent="  "))
    return 0 if all(r.passed for r in results) else 1


def _default(parameter: Parameter) -> str:
    value = parameter.default
    if value is False:
        return "off"
    if parameter.required or value is None or value is True or value in ("", (), {}):
        return ""
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _metavar(parameter: Parameter) -> str:
    kinds = {int: "N", float: "X", Path: "PATH"}
    return next((shown for kind, shown in kinds.items() if _has(parameter, kind)), parameter.name.upper())


def _has(parameter: Parameter, kind: type) -> bool:
    return parameter.kind is kind or kind in getattr(parameter.kind, "__args__", ())


class Parser(argparse.ArgumentParser):
    """Answer an unknown option with the usage of its verb and the nearest option."""

    elsewhere: Mapping[str, str] = {}
    """Options that the verb cannot have, as users of another may expect them here, and what to do instead."""

    def __init__(self, **arguments: Any) -> None:
        style: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "allow_abbrev": False}
        super().__init__(**(style | arguments), add_help=False)
        self.add_argument("-h", "--help", action="help", help="Show this help and exit")
        self.add_argument(
            "-v", "--verbose", action="store_true", default=argparse.SUPPRESS,
            help="Show where time goes, each cell in a line, and the traceback of an error",
        )  # fmt: skip

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse and refuse unknown options here, where the options of the verb are known."""
        words = list(sys.argv[1:] if args is None else args)
        if completion.asked_for():
            return super().parse_known_args(args, namespace)
        words = self._with_bare_values(words)
        if self._subparsers is None:  # first of all, since a mistyped option may be the one that would be "required"
            for word in words[: words.index("--") if "--" in words else None]:
                if word.startswith("--") and word.partition("=")[0] not in self._option_string_actions:
                    self._refuse(word)
        parsed, further = super().parse_known_args(words, namespace)
        if further:
            self._refuse(next((w for w in further if w.startswith("-")), further[0]))
        return parsed, []

    def _with_bare_values(self, words: Sequence[str]) -> list[str]:
        """Insert the value of options that were given without one, so that ``--open PACK`` keeps its argument."""
        complete = list(words)
        for index, (word, after) in enumerate(zip(words, [*words[1:], ""], strict=False)):
            action = self._option_string_actions.get(word)
            # argparse would take the argument after the option as its value, whatever its type.
            if action is not None and action.nargs == "?" and not isinstance(_number(after), int):
                complete[index] = f"{word}={action.const}"
        return complete

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and end with status 2."""
        super().error(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        actions = action.choices if isinstance(action, argparse._SubParsersAction) else None
        if actions is not None and value not in actions and not completion.asked_for():
            raise UnknownNameError("action", value, actions)
        super()._check_value(action, value)

    def _refuse(self, word: str) -> NoReturn:
        if not word.startswith("-"):
            self.error(f"unexpected argument {word!r}")
        typed = word.partition("=")[0]
        if typed in self.elsewhere:
            self.error(f"no option {typed} here: {self.elsewhere[typed]}")
        shown = [flag for action in self._actions if action.help != argparse.SUPPRESS for flag in action.option_strings]
        near = [flag for flag in shown if len(typed) > 3 and flag.startswith(typed)]
        near = near or nearest(typed, shown)
        self.error(f"unknown option {typed}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
