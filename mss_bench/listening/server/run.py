"""Start the server and print the links."""

from __future__ import annotations

import logging
import signal
import socket
import sqlite3
import threading
from pathlib import Path
from urllib.parse import urlsplit

from mss_bench.errors import ConfigError, MissingDependencyError, MssBenchError
from mss_bench.listening.pack_format import results_folder
from mss_bench.listening.server.database import Vanished
from mss_bench.listening.server.flow import ServeOptions, Sitting
from mss_bench.listening.server.store import Store

__all__ = ["links", "serve"]

_FOLD = 60.0  # seconds between two foldings of the database's log


def serve(folder: Path, options: ServeOptions) -> None:
    """Serve a pack until interrupted.

    Parameters
    ----------
    folder : Path
        The pack.
    options : ServeOptions

    Raises
    ------
    ConfigError
        The pack cannot be served, or the address cannot be used.
    MissingDependencyError
    """
    try:
        from mss_bench.listening.server.app import create_app
        from mss_bench.listening.server.connections import Server, connections_left
    except ImportError as error:
        raise MissingDependencyError(error.name or "flask", "listen serve", "pip install 'mss-bench[listen]'") from None
    sitting = Sitting(folder, options)
    store = Store(results_folder(folder), sitting.checksum)
    try:
        wanted = len(sitting.pack.configurations) if options.listeners is None else options.listeners
        for _ in range(wanted - sum(listener.way == "link" for listener in store.listeners())):
            store.add(sitting.stages[0])
        for name in ("waitress.queue", "waitress"):
            logging.getLogger(name).setLevel(logging.ERROR)  # a full house is no fault
        signal.signal(signal.SIGTERM, _end)
        stopped = threading.Event()
        threading.Thread(target=_keep_folded, args=(store, stopped), daemon=True).start()
        with _bound(options.host, options.port) as bound:
            most, few = connections_left(wanted + (options.open_places or 0))
            server = Server(create_app(sitting, store), bound, most, urlsplit(options.url).path.rstrip("/"))
            for warning in filter(None, (_in_the_clear(options), few)):
                print(warning, flush=True)
            base = options.url.rstrip("/") or _base(options.host, bound.getsockname()[1])
            for line in _told(links(sitting, store, base), options.links):
                print(line, flush=True)
            server.run()  # until Ctrl-C or SIGTERM
        stopped.set()
        print(f"stopped; {_where(store)}")
    finally:
        store.close()


def _where(store: Store) -> str:
    """Say where the ratings are, which are rescued now where the file has vanished."""
    try:
        store.database.fold()
    except Vanished:
        kept, lost = store.database.rescued, store.path
        return f"the ratings are in {kept}, since {lost} was deleted or replaced; put them back there to go on"
    except sqlite3.Error:  # another process holds it; what was acknowledged is in the log beside
        pass
    return f"the ratings are in {store.path}"


def _told(lines: list[str], file: Path | None) -> list[str]:
    """Return what is printed: the links, or in which file they are."""
    if file is None:
        return lines
    try:
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--links {file} cannot be written: {error.strerror or error}") from error
    return [f"the links are in {file}", lines[-1]]


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)  # as Ctrl-C: the server stops, and the database is closed


def _keep_folded(store: Store, stopped: threading.Event) -> None:
    """Fold the database's log in every minute; say once where the file is gone."""
    told = False
    while not stopped.wait(_FOLD):
        try:
            store.database.fold()
        except (MssBenchError, sqlite3.Error) as error:
            if not told:
                logging.getLogger(__name__).error("%s", error)
            told = True


def _in_the_clear(options: ServeOptions) -> str:
    """Return a warning where answers and links would cross a network unencrypted."""
    if options.host in ("127.0.0.1", "localhost", "::1") or urlsplit(options.url).scheme == "https":
        return ""
    return (
        f"warning: {options.host} is served over plain HTTP: whoever is in the network can read links and answers. "
        "Put a proxy with HTTPS before it and give its address with --url https://..."
    )


def links(sitting: Sitting, store: Store, base: str) -> list[str]:
    """List what to hand to whom."""
    own = [f"  {who.code:12s} {base}/l/{who.token}/" for who in store.listeners() if who.way == "link"]
    lines = [f"experimenter: {base}/experimenter/{store.experimenter}/"]
    if sitting.options.open_places:
        lines += [
            f"join link for {sitting.options.open_places} listeners: {base}/join/{store.join}",
            f"  for a panel add ?{sitting.options.participant_parameter}=... with the participant's id",
        ]
    return [*lines, *(["a link for each listener:", *own] if own else []), "stop with Ctrl-C; every trial is kept"]


def _bound(host: str, port: int) -> socket.socket:
    """Bind a socket to an address, before anything is built on it."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a server that just ended
            bound.bind(address)
            bound.listen()
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error}; choose another --host or --port") from error
    return bound


def _base(host: str, port: int) -> str:
    if host in ("0.0.0.0", "::", "*", ""):
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
