"""Strict YAML: what a typo or a trap of the format would change silently is refused with file and line.

Unknown and duplicate keys, aliases, tags, sexagesimal numbers (``10:30`` would be 630) and the booleans yes/no/on/off
are errors or plain strings here; nothing but plain data is ever built.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from mss_bench.core.files import read_whole
from mss_bench.core.text import harmless
from mss_bench.errors import ConfigError

__all__ = ["ConfigMap", "WrittenFloat", "load_yaml", "parse_scalar", "parse_yaml", "plain_name"]


def plain_name(name: str, what: str) -> str:
    """Refuse a name that could not be a file's or that could lead out of its folder.

    Raises
    ------
    ConfigError
    """
    wrong = not name or name != name.strip() or name.startswith(".") or re.search(r"[/\\:]", name)
    if wrong or name != harmless(name, keep=""):
        raise ConfigError(
            f"{name!r} cannot name a {what}: no slash, colon, control character, leading dot or blank end"
        )
    return name


class ConfigMap(dict[str, Any]):
    """A mapping that knows where it was written.

    Attributes
    ----------
    source : str
        File name, as errors print it.
    lines : dict of str to int
        Line of each key, counted from 1.
    """

    def __init__(self, values: Mapping[str, Any], source: str, line: int, lines: Mapping[str, int]) -> None:
        super().__init__(values)
        self.source, self.line, self.lines = source, line, dict(lines)

    def fail(self, message: str, key: str | None = None) -> NoReturn:
        """Raise a `ConfigError` at a key's line, or at the mapping's."""
        raise ConfigError(f"{self.source}:{self.lines.get(key or '', self.line)}: {message}")


class WrittenFloat(float):
    """A number that remembers how it was written, for where it is a name: 1.10 is not 1.1.

    Attributes
    ----------
    written : str
    """

    written: str

    def __new__(cls, text: str) -> WrittenFloat:
        number = super().__new__(cls, text)
        number.written = text
        return number

    def __reduce__(self) -> tuple[type[WrittenFloat], tuple[str]]:  # tasks go to workers by pickle
        return WrittenFloat, (self.written,)


class _StrictLoader(yaml.SafeLoader):
    source = ""
    tuples = False

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.events.AliasEvent):
            event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise ConfigError(f"{self.source}:{line}: YAML aliases are not allowed; write the value out")
        event = self.peek_event()  # type: ignore[no-untyped-call]
        # Each has a constructor of its own that says in its own words what it cannot make of a text.
        allowed: tuple[str | None, ...] = (None,)
        if isinstance(event, yaml.ScalarEvent):
            allowed = (None, "!", "tag:yaml.org,2002:str")
        elif isinstance(event, yaml.SequenceStartEvent) and self.tuples:
            allowed = (None, _TUPLE)
        if (tag := getattr(event, "tag", None)) not in allowed:
            shown = str(tag).replace("tag:yaml.org,2002:", "!!")
            where = f"{self.source}:{event.start_mark.line + 1}" if event.start_mark else self.source
            raise ConfigError(f"{where}: not valid YAML: the tag {shown} is not allowed; leave it out")
        return super().compose_node(parent, index)

    def checked(self, node: yaml.ScalarNode) -> Any:
        """Return text, or a number that can be held, written in a scalar."""
        try:
            return _scalar(node.value, node.tag)
        except ConfigError as error:
            raise ConfigError(f"{self.source}:{node.start_mark.line + 1}: {error}") from None

    def map_with_lines(self, node: yaml.MappingNode) -> ConfigMap:
        values: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConfigError(f"{self.source}:{line}: key {key!r} is not a name; quote it to make it one")
            if key in values:
                raise ConfigError(f"{self.source}:{line}: key {key!r} stands here a second time; see line {lines[key]}")
            values[key], lines[key] = self.construct_object(value_node, deep=True), line
        return ConfigMap(values, self.source, node.start_mark.line + 1, lines)


_TUPLE = "tag:yaml.org,2002:python/tuple"
_StrictLoader.add_constructor("tag:yaml.org,2002:map", _StrictLoader.map_with_lines)
_StrictLoader.add_constructor(_TUPLE, lambda loader, node: tuple(loader.construct_sequence(node, deep=True)))  # type: ignore[arg-type]
for _tag in ("str", "int", "float"):
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_tag}", _StrictLoader.checked)
# Own scalar rules instead of YAML 1.1's: true/false only, decimal numbers only, 1e-5 is a number.
_StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"^(?:true|false|True|False)$", "tfTF"),
    ("null", r"^(?:null|~|)$", ["n", "~", ""]),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


_MOST_BYTES = 2**26  # of a file: strict YAML takes minutes for so many
_MOST_DIGITS = 100  # of a whole number: it is a float, too, which ends at 1e308


def _scalar(text: str, tag: str) -> Any:
    """Return the text or number that a scalar of a tag holds."""
    if tag.endswith(":int"):
        if len(text) > _MOST_DIGITS:
            raise ConfigError(f"{text[:10]}... is a number of {len(text)} digits, expected at most {_MOST_DIGITS}")
        return int(text)
    if tag.endswith(":float"):
        number = WrittenFloat(text)
        if math.isinf(number):
            raise ConfigError(f"{text[:20]} is larger than any number that can be held")
        return number
    if re.search("[\ud800-\udfff]", text):
        raise ConfigError(f"{harmless(text)[:40]} holds half of a character (a lone surrogate); write it whole")
    return text


def load_yaml(path: str | Path, *, tuples: bool = False) -> ConfigMap:
    """Read a YAML file whose top level is a mapping.

    Parameters
    ----------
    path : str or Path
    tuples : bool
        Take lists with the tag ``!!python/tuple``, as programs write them that dump their own configuration.

    Raises
    ------
    ConfigError
        Missing or unreadable file, YAML errors, duplicate keys, aliases; with the line.
    """
    try:
        # What a shell hands over, as in --config <(command), is a pipe that somebody writes to.
        piped = str(path).startswith(("/dev/", "/proc/"))
        text = (Path(path).read_bytes() if piped else read_whole(path, most=_MOST_BYTES)).decode("utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} cannot be read: it is not text; expected a YAML file") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}; expected a YAML file") from error
    return parse_yaml(text, str(path), tuples=tuples)


def parse_yaml(text: str, source: str, *, tuples: bool = False) -> ConfigMap:
    """Read YAML as `load_yaml` does, from text."""
    loader = None
    try:
        loader = _StrictLoader(text)
        loader.source, loader.tuples = source, tuples
        value = loader.get_single_data()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{source}:{line}: not valid YAML: a control character; write it as an escape") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}:{mark.line + 1}" if mark else source
        raise ConfigError(f"{where}: not valid YAML: {getattr(error, 'problem', None) or error}") from error
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply; expected a mapping of keys to values") from None
    except ValueError as error:  # an escape such as "\U00110000"
        raise ConfigError(f"{source}: not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if value is None:
        return ConfigMap({}, source, 1, {})
    if not isinstance(value, ConfigMap):
        kind = {list: "a list", str: "text", bool: "true or false"}.get(type(value), "a number")
        raise ConfigError(f"{source}: holds {kind}, expected a mapping of keys to values")
    return value


def parse_scalar(text: str) -> Any:
    """Return the value that YAML or the command line writes so: number, true/false, null or text."""
    loader = _StrictLoader("")
    tag = str(loader.resolve(yaml.ScalarNode, text, (True, False)))  # type: ignore[no-untyped-call]
    if tag.endswith(":bool"):
        return text.lower() == "true"
    return None if tag.endswith(":null") else _scalar(text, tag)
