"""How many connections the server holds, and which it lets go: nobody waits behind connections that say nothing."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from typing import Any

from waitress.server import TcpWSGIServer

from mss_bench.errors import ConfigError

__all__ = ["Server", "connections_left"]

_THREADS = 8  # requests are short: a file to send, or a row to commit
_CONNECTIONS = 4000  # browsers keep several open each
_EACH = 6  # that a browser opens at most
_FILES = 100  # that the process needs beside its connections
_FEWEST = 16  # connections, with which a single listener has all that a browser asks for
_IDLE = 60  # seconds after which a connection that says nothing is closed


class Server(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """A server that closes idle connections for new ones where it has no more.

    Parameters
    ----------
    application : callable
        Of WSGI.
    bound : socket
        Bound to the address.
    most : int
        Connections at once.
    prefix : str
        Path under which a proxy serves the application.
    """

    def __init__(self, application: Callable[..., Any], bound: socket.socket, most: int, prefix: str) -> None:
        own = (bound.family, bound.type, bound.proto, bound.getsockname())
        # poll, since select ends at 1024 connections; a class of students may open all its links in one second.
        super().__init__(
            application, _sock=bound, sockinfo=own, bind_socket=False, sockets=[bound], threads=_THREADS,
            connection_limit=most, channel_timeout=_IDLE, asyncore_use_poll=True, max_request_body_size=64 * 1024,
            max_request_header_size=16 * 1024, ident="", url_prefix=prefix, clear_untrusted_proxy_headers=True,
            backlog=1024,
        )  # fmt: skip

    def readable(self) -> bool:
        """Return whether a connection can be taken in; called before each wait for something to do."""
        if len(self._map) >= self.adj.connection_limit:
            self._drop_idle()
        return bool(super().readable())

    def _drop_idle(self) -> None:
        """Close the connection that said nothing for longest, so that one is always left for who comes next.

        A browser opens it again when it needs it. One that has sent half a request is idle, too, but for the others.
        """
        idle = [c for c in self.active_channels.values() if not c.requests and not c.total_outbufs_len]
        if idle:
            # Marked, not closed: in this round of the loop its number is in use, which the next connection would get.
            min(idle, key=lambda channel: (channel.request is not None, channel.last_activity)).will_close = True


def connections_left(listeners: int) -> tuple[int, str]:
    """Raise the limit of open files; return the connections that it leaves, and a warning where those are few.

    Parameters
    ----------
    listeners : int
        Who may be there at once.

    Raises
    ------
    ConfigError
        Not even one listener's browser could be served.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _CONNECTIONS + _FILES
    files = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    most = files - _FILES
    if most < _FEWEST:
        raise ConfigError(
            f"{hard} files may be open at once, expected at least {_FILES + _FEWEST}: raise the limit, as with "
            "ulimit -n 4096"
        )
    if most >= min(_EACH * listeners, _CONNECTIONS):
        return most, ""
    return most, (
        f"warning: {hard} files may be open at once, which leaves {most} connections; the browsers of {listeners} "
        f"listeners open up to {_EACH * listeners:,}. Idle ones are closed for new ones; to spare listeners that, "
        "raise the limit, as with ulimit -n 4096"
    )
