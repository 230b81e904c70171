"""``mss-bench help``."""

from __future__ import annotations

from mss_bench.cli.options import Action, terminal_width, verb
from mss_bench.core.parameters import param
from mss_bench.errors import UnknownNameError, explained, explanation

__all__ = ["configure", "execute"]


class Help(Action):
    """Explain an error by the word after its message, or a verb."""

    topic: tuple[str, ...] = param(
        (), flag="TOPIC", metavar="TOPIC", doc="Word of an error, such as audio, or a verb and its action (default: "
        "list both)."
    )  # fmt: skip

    def execute(self) -> int:
        """Print the explanation."""
        from mss_bench.cli.main import VERBS, main
        from mss_bench.core.text import columns, prose

        errors = explained()
        if not self.topic:
            main([])
            rows = [(code, explanation(cls).partition("\n")[0]) for code, cls in errors.items()]
            print("\nerrors:\n" + columns(rows, indent="  "))
        elif self.topic[0] in VERBS:
            main([*self.topic, "--help"])
        elif self.topic[0] in errors:
            cls = errors[self.topic[0]]
            print(f"{cls.code} ({cls.__name__})\n\n{prose(explanation(cls), terminal_width()).replace('``', '`')}")
        else:
            raise UnknownNameError("topic", self.topic[0], [*VERBS, *errors])
        return 0


configure, execute = verb(Help)
