"""The receiver as its user holds it."""

from __future__ import annotations

import secrets
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn, Self, cast
from urllib.parse import urlsplit
from weakref import WeakSet

from hooked_analytics._internal.secret import SecretStr
from hooked_analytics._internal.server_thread import ServerThread, bind_socket
from hooked_analytics.client import HookedClient
from hooked_analytics.client.video_id import check_video_id
from hooked_analytics.fetch import EventQueue
from hooked_analytics.webhooks.path_token import checked_token
from hooked_analytics.webhooks.resolver import EventResolver
from hooked_analytics.webhooks.webhook_app import WebhookApp

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from hooked_analytics.fetch import Archive

MISSING_EXTRA = (
    "WebhookReceiver needs starlette and uvicorn, which are not installed; "
    'install them with: pip install "hooked-analytics[webhooks]"'
)
MAX_CONNECTIONS = 256
CONNECTION_SECONDS = 10.0
# How often a listener looks whether calls came [s].
_LOOK_SECONDS = 0.05
# Addresses that mean every address of this machine, and what to write in a link instead.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the user's own choice


class WebhookReceiver:
    """
    A small server that Hooked calls when a render has ended.

    A call is taken as a hint and nothing more: its id is checked, the API is asked, and only
    the API's answer enters a frame or an archive. So a forged, repeated or late call changes
    nothing, and a thousand of them cost less than two hundred requests. Hand the receiver to
    `poll_videos`, or go through `listen`.

    Hooked calls https addresses only: let a tunnel or a proxy pass calls on to the port, and
    say its address in *public_url*. Whoever knows `url` can make calls; keep it to yourself.

    Parameters
    ----------
    host : address to listen at; this machine alone, if missing
    port : 0 for any free one
    client : whom `listen` asks; a new `HookedClient` when missing
        Its ``video_id_pattern`` also decides what can be an id.
    public_url : https address of the tunnel or proxy in front, perhaps with a path
    token : secret part of the path, to be the same after a restart; a new one when missing

    Raises
    ------
    ImportError
        The extra ``webhooks`` is not installed.
    ValueError
        A token too short, or an address that is none.
    OSError
        From `start`: the port is taken.

    Examples
    --------
    >>> from hooked_analytics import Sandbox, poll_videos
    >>> with Sandbox(videos=1, time_scale=60) as sandbox, WebhookReceiver() as receiver:
    ...     client = sandbox.client()
    ...     video_id = sandbox.create_video("class", render_seconds=20, webhook=receiver.url)
    ...     for videos in poll_videos(video_id, client=client, webhooks=receiver):
    ...         pass
    >>> receiver
    WebhookReceiver(not running, 1 call)
    """

    # so that a receiver whose making failed can still be shown in a traceback
    _door: WebhookApp | None = None
    _address: str | None = None

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        client: HookedClient | None = None,
        public_url: str | None = None,
        token: str | None = None,
    ) -> None:
        try:
            chosen = checked_token(token)
        finally:
            del token
        if find_spec("starlette") is None or find_spec("uvicorn") is None:
            raise ImportError(MISSING_EXTRA)
        self._host, self._port, self._client = host, port, client
        self._public_url = _checked_public_url(public_url)
        self._path = chosen or SecretStr(secrets.token_urlsafe(32))
        check = client.check_video_id if client else check_video_id
        self._door = WebhookApp(self._path, check, self._hand_on)
        self._lock = threading.Lock()
        self._listeners: WeakSet[EventQueue] = WeakSet()
        self._server: ServerThread | None = None

    def __repr__(self) -> str:
        calls = self.counts.get("taken", 0)
        where = self._address or "not running"
        return f"WebhookReceiver({where}, {calls:,} call{'' if calls == 1 else 's'})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a WebhookReceiver holds a port and secrets and is not pickled")

    @property
    def url(self) -> str:
        """What Hooked is to call: the ``webhook`` of a new video. It is a secret."""
        return f"{self._public_url or self._running()}/{self._path.reveal()}"

    @property
    def counts(self) -> dict[str, int]:
        """How many calls came, by what became of them: ``taken``, ``wrong path``, ..."""
        return self._door.counts if self._door else {}

    def start(self) -> Self:
        """
        Start the server, unless it runs, and wait until it answers; gives itself back.

        Examples
        --------
        >>> receiver = WebhookReceiver().start()
        >>> receiver.close()
        """
        if self._server is not None:
            return self
        sock = bind_socket(self._port, self._host)
        server = ServerThread(
            cast("WebhookApp", self._door),
            sock,
            name="webhook receiver",
            max_connections=MAX_CONNECTIONS,
            connection_seconds=CONNECTION_SECONDS,
        )
        server.start()
        host = _EVERYWHERE.get(self._host, self._host)
        shown = f"[{host}]" if ":" in host else host
        self._server, self._address = server, f"http://{shown}:{sock.getsockname()[1]}"
        self._say_listening(True)
        return self

    def close(self) -> None:
        """
        Stop the server and free its port; closing twice does nothing.

        Who listens goes on without calls: a watch asks at its ordinary pace again.

        Examples
        --------
        >>> WebhookReceiver().close()
        """
        server, self._server, self._address = self._server, None, None
        if server is not None:
            self._say_listening(False)
            server.close()

    def listen(
        self,
        *,
        archive: Archive | None = None,
        timeout_seconds: float | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[pd.DataFrame]:
        """
        Go through the ends of renders as Hooked calls about them, whichever they are.

        Parameters
        ----------
        archive : something with ``.append(frame)`` that keeps what is given out
        timeout_seconds : ends it after so long; None listens until the receiver is closed [s]
        stop : set it, from any thread, and it ends

        Yields
        ------
        videos frame of those that have ended by the API's own word, each once
            A call that the API does not confirm is followed again, up to five times.

        Examples
        --------
        >>> from hooked_analytics import Sandbox
        >>> with Sandbox(videos=1, time_scale=60) as sandbox, sandbox.client() as client:
        ...     with WebhookReceiver(client=client) as receiver:
        ...         ended = receiver.listen(timeout_seconds=10)
        ...         url = receiver.url
        ...         video_id = sandbox.create_video("class", render_seconds=20, webhook=url)
        ...         next(ended)["video_id"].tolist() == [video_id]
        True
        """
        self._running()
        hints = self.subscribe()
        return self._ends(hints, archive, timeout_seconds, stop or threading.Event())

    def _ends(
        self,
        hints: EventQueue,
        archive: Archive | None,
        timeout_seconds: float | None,
        stop: threading.Event,
    ) -> Iterator[pd.DataFrame]:
        client = self._client or HookedClient()
        follower = EventResolver(client)
        until = time.monotonic() + (float("inf") if timeout_seconds is None else timeout_seconds)
        try:
            while hints.listening and time.monotonic() < until:
                follower.take(hints.take())
                videos = follower.ends()
                if len(videos):
                    if archive is not None:
                        archive.append(videos)
                    yield videos
                elif stop.wait(_LOOK_SECONDS):
                    return
        finally:
            self.unsubscribe(hints)
            if self._client is None:
                client.close()

    def subscribe(self) -> EventQueue:
        """
        Hints of its own for one listener, such as a watch.

        Examples
        --------
        >>> receiver = WebhookReceiver()
        >>> receiver.subscribe().listening
        False
        """
        hints = EventQueue(listening=self._server is not None)
        with self._lock:
            self._listeners.add(hints)
        return hints

    def unsubscribe(self, hints: EventQueue) -> None:
        """
        Stop adding to somebody's hints.

        Examples
        --------
        >>> receiver = WebhookReceiver()
        >>> receiver.unsubscribe(receiver.subscribe())
        """
        with self._lock:
            self._listeners.discard(hints)

    def _running(self) -> str:
        if self._address is None:
            raise RuntimeError("the receiver is not running; use `with WebhookReceiver() as ...:`")
        return self._address

    def _hand_on(self, video_ids: list[str]) -> None:
        with self._lock:
            for hints in self._listeners:
                hints.add(video_ids)

    def _say_listening(self, listening: bool) -> None:
        with self._lock:
            for hints in self._listeners:
                hints.listening = listening


def _checked_public_url(public_url: str | None) -> str | None:
    if public_url is None:
        return None
    parts = urlsplit(public_url.strip().rstrip("/"))
    plain = not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise ValueError("public_url is an address such as https://hooks.example.org, and no more")
    return parts.geturl()
