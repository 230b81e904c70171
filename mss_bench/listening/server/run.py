"""Start the server and print the links."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from urllib.parse import urlsplit

from mss_bench.errors import ConfigError, MissingDependencyError
from mss_bench.listening.pack_format import results_folder
from mss_bench.listening.server.flow import ServeOptions, Sitting
from mss_bench.listening.server.store import Store

__all__ = ["links", "serve"]

_THREADS = 8  # requests are short: a file to send, or a row to commit
_CONNECTIONS = 2000  # browsers keep several open each


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
        from waitress import create_server

        from mss_bench.listening.server.app import create_app
    except ImportError as error:
        raise MissingDependencyError(error.name or "flask", "listen serve", "pip install 'mss-bench[listen]'") from None
    sitting = Sitting(folder, options)
    store = Store(results_folder(folder), sitting.checksum)
    try:
        wanted = len(sitting.pack.configurations) if options.listeners is None else options.listeners
        for _ in range(wanted - sum(listener.way == "link" for listener in store.listeners())):
            store.add(sitting.stages[0])
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a full house is no fault
        with _bound(options.host, options.port) as bound:
            # poll, since select ends at 1024 connections; a class of students may open all its links in one second.
            server = create_server(
                create_app(sitting, store), sockets=[bound], threads=_THREADS, connection_limit=_CONNECTIONS,
                asyncore_use_poll=True, max_request_body_size=64 * 1024, max_request_header_size=16 * 1024, ident="",
                url_prefix=urlsplit(options.url).path.rstrip("/"), clear_untrusted_proxy_headers=True, backlog=1024,
            )  # fmt: skip
            for line in links(sitting, store, options.url.rstrip("/") or _base(options.host, bound.getsockname()[1])):
                print(line, flush=True)
            server.run()  # until Ctrl-C
        print(f"stopped; the ratings are in {store.path}")
    finally:
        store.close()


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
