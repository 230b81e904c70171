"""Directives that write reference pages from what the code declares, so that they cannot say anything else.

``{parameters} module:Class``
    A table of the parameters of a class: name, default, what is expected, what it does.
``{command-line}``
    Every verb of ``mss-bench`` and its actions, with their options.
``{registered} separators`` (``metrics``, ``layouts``, ``protocols`` ...)
    Everything that a registry holds, with a section each.
``{columns} TRACK_COLUMNS``
    The columns of a table of `mss_bench.core.schema`, with the comment beside each.
``{errors}``
    A section for every class of errors that a user can fix: the text of ``mss-bench help CODE``.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from mss_bench.cli import main as command_line
from mss_bench.cli.options import Parser, sentence
from mss_bench.core.parameters import Parameter, parameters
from mss_bench.core.spec import format_params
from mss_bench.errors import explained, explanation


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    for name, directive in _DIRECTIVES.items():
        app.add_directive(name, directive)
    app.connect("source-read", _name_code)
    return {"parallel_read_safe": True}


def _name_code(app: Sphinx, document: str, text: list[str]) -> None:
    """Turn links to folders and code, which lead somewhere in the repository and not on the site, into their names."""
    folder = (Path(app.srcdir) / document).parent

    def named(link: re.Match[str]) -> str:
        path = folder / link["path"]
        left_out = path.is_dir() or (path.name == "README.md" and path.parent.resolve() == Path(app.srcdir))
        left_out = left_out or (path.is_file() and path.suffix not in _SHOWN)
        return f"`{link['text'].replace('`', '')}`" if left_out else link[0]

    text[0] = re.sub(r"\[(?P<text>[^\]\n]+)\]\((?P<path>[^)#:\s]+)(#[^)\s]*)?\)", named, text[0])
    text[0] = re.sub(r'<a id="([^"]+)"></a>', r"(\1)=", text[0])  # which Markdown of other readers needs


_SHOWN = (".md", ".ipynb", ".html", ".png", ".svg", ".csv")


def parameter_rows(cls: type) -> list[list[str]]:
    """Return a row a parameter: name, what it does and what is expected, default."""
    return [[f"`{p.name}`", f"{p.doc} *Expected:* {p.expected}.", _default(p)] for p in parameters(cls).values()]


def _default(parameter: Parameter) -> str:
    if parameter.required:
        return "required"
    shown = format_params({"": parameter.default}).lstrip("=")
    return f"`{shown}`" if shown and parameter.default not in (None, (), {}) else ""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    cells = [[re.sub(r"\s+", " ", cell).replace("|", r"\|") for cell in row] for row in [list(head), *rows]]
    lines = ["| " + " | ".join(row) + " |" for row in cells]
    return "\n".join([lines[0], "|" + ":--|" * len(cells[0]), *lines[1:]]) + "\n"


def _documentation(cls: type) -> str:
    """Return a docstring without the section of parameters, as reST."""
    from sphinx.ext.napoleon import Config, NumpyDocstring

    text = inspect.cleandoc(vars(cls).get("_bare_doc") or cls.__doc__ or "")
    # Formulas are indented blocks, which reST would run together; numbers of references would clash on one page.
    text = re.sub(r"(?m)^(\S[^\n]*?):?\n\n(?=    )", r"\1::\n\n", text)
    text = re.sub(r"(?m)^\.\. \[\d+\] ", r"*  \\", text)  # the backslash keeps initials from being numbers
    text = re.sub(r"\[(\d+)\]_", r"[\1]", text)
    text = re.sub(r"(?m)^\S.*$", lambda line: _magnitudes(line[0]), text)
    return str(NumpyDocstring(text, Config(napoleon_google_docstring=False)))


def _magnitudes(line: str) -> str:
    """Keep ``|X|`` in prose from being read as a substitution."""
    parts = line.split("``")
    return "``".join(part if index % 2 else part.replace("|", r"\|") for index, part in enumerate(parts))


class _Directive(SphinxDirective):
    """Base of directives without content that write Markdown."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        self.env.note_reread()  # the code may say something else next time
        return self.parse_text_to_nodes(self.written(), allow_section_headings=True)

    def written(self) -> str:
        """Return the Markdown text."""
        raise NotImplementedError


class Parameters(_Directive):
    """Write a table of the parameters of a class."""

    def written(self) -> str:
        module, _, name = self.arguments[0].partition(":")
        cls = getattr(importlib.import_module(module), name)
        return table(["key", "what it does", "default"], parameter_rows(cls))


class CommandLine(_Directive):
    """Write a section for every verb."""

    def written(self) -> str:
        return "\n".join(self._verb(name, text) for name, text in command_line.VERBS.items())

    def _verb(self, name: str, text: str) -> str:
        parser = Parser(prog=f"mss-bench {name}", description=sentence(text))
        importlib.import_module(f"mss_bench.cli.{name}").configure(parser)
        return "\n".join([f"## mss-bench {name}\n", sentence(text) + "\n", *self._below(parser, name)])

    def _below(self, parser: argparse.ArgumentParser, name: str) -> list[str]:
        """Return the options of a verb, or a section for each of its actions."""
        actions = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        if not actions:
            return self._options(parser)
        parts = []
        for each in actions:
            for action, below in each.choices.items():
                words = f"{name} {action}"
                parts += [f"### mss-bench {words}\n", (below.description or "") + "\n", *self._below(below, words)]
        return parts

    def _options(self, parser: argparse.ArgumentParser) -> list[str]:
        shown = [
            action
            for group in parser._action_groups
            for action in group._group_actions
            if action.dest not in ("help", "verbose")
        ]
        rows = [
            [f"`{', '.join(action.option_strings) or action.metavar or action.dest}`", self._value(action), action.help]
            for action in shown
            if action.help and action.help != argparse.SUPPRESS
        ]
        return [table(["option", "value", "what it does"], rows)]

    @staticmethod
    def _value(action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return ""
        return f"`{action.metavar}`" if action.metavar else ""


class Registered(_Directive):
    """Write a section for everything that a registry holds."""

    REGISTRIES: ClassVar[dict[str, str]] = {
        "separators": "mss_bench.separators:separators",
        "metrics": "mss_bench.metrics:metrics",
        "layouts": "mss_bench.datasets:layouts",
    }

    def written(self) -> str:
        module, _, name = self.REGISTRIES[self.arguments[0]].partition(":")
        registry = getattr(importlib.import_module(module), name)
        return "\n".join(self._section(name, registry.load(name)) for name in sorted(registry.names()))

    def _section(self, name: str, cls: Any) -> str:
        rows = [[fact, str(text)] for fact, text in self._facts(cls) if text]
        parts = [f"## {name}\n", "````{eval-rst}\n" + _documentation(cls) + "\n````\n"]
        if rows:
            parts.append(table(["fact", "value"], rows))
        if declared := parameter_rows(cls):
            parts.append(table(["parameter", "what it does", "default"], declared))
        return "\n".join(parts)

    @staticmethod
    def _facts(cls: Any) -> Iterable[tuple[str, Any]]:
        for fact in ("assumption", "caution", "licence", "citation"):
            value = getattr(cls, fact, "")
            yield fact, value if isinstance(value, str) else ""


class Columns(_Directive):
    """Write the columns of a table of a run."""

    def written(self) -> str:
        from mss_bench.core import schema

        body = inspect.getsource(schema).partition(f"{self.arguments[0]}: dict")[2].partition("\n}")[0]
        rows = re.findall(r'^    "(\w+)": "(\w+)",(?:  # (.*))?$', body, flags=re.MULTILINE)
        return table(["column", "type", "meaning"], [[f"`{name}`", kind, text] for name, kind, text in rows])


class Errors(_Directive):
    """Write a section for every class of errors."""

    def written(self) -> str:
        return "\n".join(self._section(code, cls) for code, cls in explained().items())

    @staticmethod
    def _section(code: str, cls: type[Exception]) -> str:
        text = re.sub(r"``(.+?)``", r"`\1`", explanation(cls))
        return f"({code})=\n## {code}\n\n`mss_bench.errors.{cls.__name__}`: {text[0].lower()}{text[1:]}\n"


_DIRECTIVES: dict[str, type[_Directive]] = {
    "parameters": Parameters,
    "command-line": CommandLine,
    "registered": Registered,
    "columns": Columns,
    "errors": Errors,
}
