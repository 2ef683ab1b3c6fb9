"""The receiver: its server, who listens to it, and the events that wait."""

from __future__ import annotations

import secrets
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, NoReturn, Self, cast
from weakref import WeakSet

from hooked_analytics._internal.cancel import stopped_at_exit
from hooked_analytics._internal.secret import SecretStr
from hooked_analytics._internal.server_thread import ServerThread, bind_socket
from hooked_analytics.client import (
    HookedClient,
    check_parts,
    check_seconds,
    check_video_id,
    check_whole,
)
from hooked_analytics.errors import FetchError
from hooked_analytics.fetch import EventQueue
from hooked_analytics.webhooks.events import (
    EventFiles,
    EventResolver,
    WebhookApp,
    checked_public_url,
    checked_token,
)

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
# How often `listen` takes the events that came [s].
_SLICE_SECONDS = 0.05
# Addresses that mean every address of this machine, and what to write in a link instead.
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - the user's own choice


class WebhookReceiver:
    """
    A small server that Hooked calls when a render has ended.

    Only the API's own response enters a frame or an archive, so a forged, repeated or late event
    changes nothing. Hand the receiver to `poll_videos`, or go through `listen`. An event that
    nobody takes waits for `listen`, in memory until that was given an archive; when 4,096 wait,
    the next is refused (503), and Hooked sends it again later.

    Hooked sends to https addresses only: let a tunnel or a proxy pass events on to the port.
    Whoever knows `url` can send events; keep it to yourself.

    Parameters
    ----------
    host : str, default "127.0.0.1"
        Address to listen at.
    port : int, default 0
        0 for any free one.
    client : HookedClient, optional
        Used by `listen`; a new one when missing. Its ``video_id_pattern`` holds for events too.
    public_url : str, optional
        The https address of the tunnel or proxy in front, perhaps with a path.
    token : str, optional
        Secret part of the path, to be the same after a restart; a new one when missing.

    Raises
    ------
    ImportError, ValueError
        The extra ``webhooks`` is not installed; a token is too short, or an address is none.
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
    WebhookReceiver(not running, 1 event)
    """

    # so that a receiver whose making failed can still be shown in a traceback
    _app: WebhookApp | None = None
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
        if not isinstance(host, str) or not host.strip():
            raise ValueError("host is an address of this machine, such as 127.0.0.1, not empty")
        check_parts(client=client)
        check_whole(0, 65_535, port=port)
        self._host, self._port, self._client = host.strip().strip("[]"), port, client
        self._public_url = checked_public_url(public_url)
        self._path = chosen or SecretStr(secrets.token_urlsafe(32))
        check = client.check_video_id if client else check_video_id
        self._app = WebhookApp(self._path, check, self._hand_on)
        self._lock = threading.Lock()
        self._listeners: WeakSet[EventQueue] = WeakSet()
        self._unclaimed = EventQueue()
        self._files: EventFiles | None = None  # of the archive that listens, or did last
        self._listening = 0  # how many `listen`
        self._server: ServerThread | None = None

    def __repr__(self) -> str:
        events = self.counts.get("taken", 0)
        where = self._address or "not running"
        return f"WebhookReceiver({where}, {events:,} event{'' if events == 1 else 's'})"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a WebhookReceiver holds a port and secrets and is not pickled")

    @property
    def url(self) -> str:
        """The ``webhook`` of a new video. It is a secret."""
        return f"{self._public_url or self._running()}/{self._path.reveal()}"

    @property
    def counts(self) -> dict[str, int]:
        """How many requests came, by what became of them: ``taken``, ``wrong path``, ..."""
        return dict(self._app.counts) if self._app else {}

    def start(self) -> Self:
        """
        Start the server, unless it runs, and wait until it answers.

        Returns
        -------
        WebhookReceiver
            Itself.
        """
        if self._server is not None:
            return self
        sock = bind_socket(self._port, self._host)
        server = ServerThread(
            cast("WebhookApp", self._app),
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
        """Stop the server and free its port; who polls goes on at its ordinary pace."""
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
        Go through the ends of renders as events tell of them, whichever they are.

        Parameters
        ----------
        archive : VideoArchive, optional
            Keeps what is given out, and the events until then, even if the process is killed:
            they come with the next `listen` to it. Where it cannot be written, new events are
            refused (503).
        timeout_seconds : float, optional
            Ends it after so long; None listens until the receiver is closed [s].
        stop : threading.Event, optional
            Ends it too.

        Returns
        -------
        Iterator[DataFrame]
            A videos frame of those that have ended by the API's own word, each once. An event that
            the API does not confirm is followed again, up to five times.

        Raises
        ------
        FetchError
            The archive could not be written; ``.videos`` has the rows.
        AuthenticationError, SubscriptionError
            The key or the subscription is refused.

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
        check_parts(archive=archive, stop=stop)
        if timeout_seconds is not None:
            check_seconds(timeout_seconds=timeout_seconds)
        self._running()
        directory = getattr(archive, "directory", None)
        files = EventFiles(directory) if directory else None
        with self._lock:
            if files is not None:
                # what was read once from a folder is in memory since
                if self._files is None or self._files.directory != files.directory:
                    for ids in files.read():
                        self._unclaimed.add(ids)
                self._files = files
            self._listening += 1
        return self._ends(archive, files, timeout_seconds, stop or threading.Event())

    def _ends(
        self,
        archive: Archive | None,
        files: EventFiles | None,
        timeout_seconds: float | None,
        stop: threading.Event,
    ) -> Iterator[pd.DataFrame]:
        client = self._client or HookedClient()
        resolver = EventResolver(client)
        until = time.monotonic() + (float("inf") if timeout_seconds is None else timeout_seconds)
        try:
            with stopped_at_exit(stop):
                while self._server is not None and time.monotonic() < until:
                    resolver.take(taken := self._unclaimed.take())
                    if files is not None:
                        files.keep(resolver.waiting(), taken)
                    videos = resolver.ends()
                    if len(videos):
                        self._append(videos, archive)
                        if files is not None:
                            files.keep(resolver.waiting())
                        yield videos
                    elif stop.wait(_SLICE_SECONDS):
                        return
        finally:
            with self._lock:
                self._listening -= 1
                for ids in resolver.waiting():
                    self._unclaimed.add(ids)
            if self._client is None:
                client.close()

    def _append(self, videos: pd.DataFrame, archive: Archive | None) -> None:
        """Keep ends in the archive; where that fails, the events wait for the next `listen`."""
        if archive is None:
            return
        try:
            archive.append(videos)
        except OSError as fault:
            for video_id in videos["video_id"]:
                self._unclaimed.add([video_id])
            raise FetchError(
                f"Ended videos could not be kept in the archive: {str(fault).rstrip('.')}. They "
                "are in .videos of this error, and come again with the next listen().",
                videos=videos,
            ) from fault

    def subscribe(self) -> EventQueue:
        """
        Give one listener, such as `poll_videos`, a queue of its own.

        Returns
        -------
        EventQueue
            Events that come from now on.
        """
        events = EventQueue(listening=self._server is not None)
        with self._lock:
            self._listeners.add(events)
        return events

    def unsubscribe(self, events: EventQueue) -> None:
        """
        Stop adding to a queue.

        Parameters
        ----------
        events : EventQueue
            From `subscribe`.
        """
        with self._lock:
            self._listeners.discard(events)

    def _running(self) -> str:
        if self._address is None:
            raise RuntimeError("the receiver is not running; use `with WebhookReceiver() as ...:`")
        return self._address

    def _hand_on(self, video_ids: list[str]) -> bool:
        """Give an event to whoever listens; without anybody it waits, while there is room."""
        with self._lock:
            for events in self._listeners:
                events.add(video_ids)
            if self._listening or not self._listeners:
                if self._unclaimed.full and not self._listeners:
                    return False
                # in this order: what is taken at once is known to have a file
                kept = self._files is None or self._files.add(video_ids)
                self._unclaimed.add(video_ids)
                return kept
        return True

    def _say_listening(self, listening: bool) -> None:
        with self._lock:
            for events in self._listeners:
                events.listening = listening
