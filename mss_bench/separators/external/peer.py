"""The other side of a separator that runs in a Python of its own: needs Python 3.8 and NumPy, 1 or 2, nothing else.

`mss_bench.separators.external.process` starts it with the other interpreter, as a script, and hands it four open files:
requests and replies are lines of JSON in two pipes, arrays go through two unnamed files in NumPy's format, one for each
direction. What the separator prints goes elsewhere, so it cannot disturb the protocol. One request at a time:

``open``: ``script``, ``options``, ``facts``
    Runs the script and makes its class `Separator` with the options; answers with those of the `facts` that it declares
    and the versions of Python and of every installed package (`environment`).
``load``: ``device``
``separate``: ``sample_rate``, ``stems``, ``derived``, ``rng``, ``references``
    The input file holds the mixture and the references named; answers with the names of the `estimates`, which are in
    the output file.
``close``

An answer with ``error`` says what went wrong: the class with its bases, the message, the end of the traceback. When the
requests end, the process does so at once, whatever it is doing.
"""

from __future__ import annotations

import json
import os
import platform
import queue
import signal
import sys
import threading
import traceback
from typing import Any

OLDEST = (3, 8)
"""The oldest Python that this runs on."""

_TRACEBACK = 3000  # characters


class Targets(dict):  # type: ignore[type-arg]
    """Target to the stems that it sums; ``stems`` names those that are none of others."""

    def __init__(self, stems: list[str], derived: dict[str, list[str]]) -> None:
        super().__init__({stem: (stem,) for stem in stems})
        self.update({target: tuple(parts) for target, parts in derived.items()})
        self.stems = tuple(stems)


class InvalidOutput(Exception):
    """The separator returned something else than arrays by target."""


class Peer:
    """What one process keeps between requests."""

    def __init__(self, input_file: int, output_file: int) -> None:
        self.input_file, self.output_file = input_file, output_file
        self.separator: Any = None

    def open(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run the script and make its separator."""
        import numpy  # noqa: F401 (what is missing or broken is to be told now)

        path = request["script"]
        module: dict[str, Any] = {"__name__": "mss_bench_script", "__file__": path}
        with open(path, "rb") as file:
            exec(compile(file.read(), path, "exec"), module)
        if not isinstance(module.get("Separator"), type):
            raise TypeError(f"{path} defines no class Separator")
        self.separator = module["Separator"](**request["options"])
        if not callable(getattr(self.separator, "separate", None)):
            raise TypeError(f"the class Separator of {path} has no method separate")
        facts = {name: getattr(self.separator, name) for name in request["facts"] if hasattr(self.separator, name)}
        further = {"declared": self.separator.environment()} if hasattr(self.separator, "environment") else {}
        return {"facts": facts, "environment": {**environment(), **further}}

    def load(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have the separator read its learned state."""
        if hasattr(self.separator, "load"):
            self.separator.load(request["device"])
        return {}

    def separate(self, request: dict[str, Any]) -> dict[str, Any]:
        """Separate what lies in the input file."""
        import numpy as np

        # Opened anew each time: a buffer of the last time would hold what stood there then.
        with os.fdopen(os.dup(self.input_file), "rb") as file:
            file.seek(0)
            mixture = np.load(file, allow_pickle=False)
            references = {name: np.load(file, allow_pickle=False) for name in request["references"]}
        state = request["rng"]
        generator = getattr(np.random, state["bit_generator"])()
        generator.state = state
        further = {"references": references} if references else {}
        estimates = self.separator.separate(
            mixture,
            request["sample_rate"],
            targets=Targets(request["stems"], request["derived"]),
            rng=np.random.Generator(generator),
            **further,
        )
        if not isinstance(estimates, dict) or not all(isinstance(name, str) for name in estimates):
            raise InvalidOutput(f"returned {type(estimates).__name__}, expected a dict of target to array")
        with os.fdopen(os.dup(self.output_file), "wb") as file:
            file.seek(0)
            file.truncate()
            for name, value in estimates.items():
                array = np.asarray(value)
                if array.dtype.hasobject:
                    raise InvalidOutput(f"{name}: {type(value).__name__}, expected an array of floating point")
                np.save(file, array, allow_pickle=False)
        return {"estimates": list(estimates)}

    def close(self, request: dict[str, Any]) -> dict[str, Any]:
        """Have the separator release what it took."""
        if hasattr(self.separator, "close"):
            self.separator.close()
        return {}


def environment() -> dict[str, Any]:
    """Versions of Python and of what is installed, but for what installs."""
    from importlib import metadata

    packages: dict[str, str] = {}
    for found in metadata.distributions():
        name = found.metadata["Name"]
        if name and name.lower() not in ("pip", "setuptools", "wheel"):
            packages.setdefault(name.lower().replace("_", "-"), found.version)  # the first one is the one imported
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"python": python, "packages": dict(sorted(packages.items()))}


def failure(error: BaseException) -> dict[str, Any]:
    """Describe an error for the other side, without the frames of this file."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if f.filename != __file__]
    lines = traceback.format_list(own)
    return {
        "classes": [c.__name__ for c in type(error).__mro__],
        "message": str(error),
        "module": getattr(error, "name", None) if isinstance(error, ImportError) else None,
        "traceback": "".join(lines)[-_TRACEBACK:],
    }


def plain(value: object) -> object:
    """NumPy's numbers and other odd facts as JSON can hold them."""
    return value.item() if hasattr(value, "item") else str(value)


def main(requests: int, replies: int, input_file: int, output_file: int) -> None:
    """Answer requests until there are no more."""
    if sys.version_info < OLDEST:
        sys.exit("this Python is too old")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other side decides what an interrupt means
    for descriptor in (requests, replies, input_file, output_file):
        os.set_inheritable(descriptor, False)
    waiting: queue.Queue[dict[str, Any]] = queue.Queue()

    def read() -> None:
        with os.fdopen(requests, "r", encoding="utf-8") as lines:
            for line in lines:
                waiting.put(json.loads(line))
        os._exit(0)  # the other side is gone, however that came

    threading.Thread(target=read, daemon=True).start()
    peer = Peer(input_file, output_file)
    with os.fdopen(replies, "w", encoding="utf-8") as answers:
        while True:
            request = waiting.get()
            try:
                reply = getattr(peer, str(request["do"]))(request)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a script that calls sys.exit has failed, too
                reply = {"error": failure(error)}
            sys.stdout.flush()
            answers.write(json.dumps(reply, default=plain) + "\n")
            answers.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
