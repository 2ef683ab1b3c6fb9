"""The sandbox: its server, its clock, its videos; and one in the foreground of a terminal."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from hooked_analytics.sandbox.video import SignedLinks
from hooked_analytics.sandbox.video_store import Clock, VideoStore, WebhookSender

if TYPE_CHECKING:
    from hooked_analytics import HookedClient
    from hooked_analytics._internal.server_thread import ServerThread
    from hooked_analytics.sandbox.video_store import Delivery

# Longer than anybody's polling interval, so that no request meets a closing connection.
KEEP_ALIVE_SECONDS = 75
MISSING_EXTRA = (
    "the sandbox needs starlette and uvicorn, which are not installed; "
    'install them with: pip install "hooked-analytics[sandbox]"'
)


class Sandbox:
    """
    A local server that speaks the Hooked API.

    It holds 120 days of a team's videos, a few that are rendering when it starts, and the API
    page's sample ``vid_abc123``. All figures are invented. Its clock starts now.

    Parameters
    ----------
    videos : int, default 200
        How many of the team's own.
    seed : int, default 0
        Of videos, faults and signatures: the same seed draws the same.
    time_scale : float, default 1.0
        Sandbox seconds per real second; 0 makes its clock stand still.
    requests_per_minute : int, optional
        The limit, per sandbox minute; None for none.
    faults : float or mapping of str to float, optional
        Share of requests that go wrong; a number is shared evenly by all kinds of the API:
        ``error_500``, ``html_502``, ``rate_limit``, ``drop``, ``truncate``, ``drip``, ``slow``,
        ``wrong_id``, ``flat`` (no envelope). For files ``file_cut``, ``file_drip``,
        ``file_expired``, ``file_whole``.
    api_key : str, default "sandbox-key"
        What the header ``x-api-key`` must say.

    Examples
    --------
    >>> with Sandbox(videos=20) as sandbox, sandbox.client() as client:
    ...     client.get_video("vid_abc123")["status"]
    'COMPLETED'
    """

    def __init__(
        self,
        *,
        videos: int = 200,
        seed: int = 0,
        time_scale: float = 1.0,
        requests_per_minute: int | None = None,
        faults: float | Mapping[str, float] | None = None,
        api_key: str = "sandbox-key",
    ) -> None:
        if find_spec("starlette") is None or find_spec("uvicorn") is None:
            raise ImportError(MISSING_EXTRA)
        from hooked_analytics.sandbox.middleware import Middleware

        if videos < 1:
            raise ValueError(f"videos must be 1 or more, not {videos!r}: the sample is one")
        if not api_key:
            raise ValueError("api_key must not be empty, or every request would be let in")
        self.api_key = api_key
        self._seed = seed
        self._requests_per_minute = requests_per_minute
        self._clock = Clock(time_scale)
        self._store = VideoStore(videos, seed, self._clock)
        self._middleware = Middleware(self._clock, faults, seed, requests_per_minute, api_key)
        self._lock = threading.Lock()
        self._url: str | None = None
        self._server: ServerThread | None = None
        self._finalizer: weakref.finalize[..., Self] | None = None

    def __repr__(self) -> str:
        return f"Sandbox({self._url or 'not running'}, {len(self._store.own)} videos)"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, port: int = 0) -> Self:
        """
        Start the server, unless it runs, and wait until it responds.

        Parameters
        ----------
        port : int, default 0
            Port to listen at, an OSError where it is in use; 0 for any free one.

        Returns
        -------
        Sandbox
            Itself.
        """
        from hooked_analytics._internal.server_thread import ServerThread, bind_socket
        from hooked_analytics.sandbox.api_endpoints import build_app

        with self._lock:
            if self._server is not None:
                return self
            sock = bind_socket(port)
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            links = SignedLinks(url, seed=self._seed)
            self._middleware.app = build_app(self._store, links)
            server = ServerThread(
                self._middleware, sock, name="sandbox", keep_alive_seconds=KEEP_ALIVE_SECONDS
            )
            self._clock.start()
            server.start()
            self._store.sender.start(links)
            # Nothing that runs holds the sandbox itself, so one that is dropped ends as well.
            self._finalizer = weakref.finalize(self, _stop, server, self._store.sender)
            self._server, self._url = server, url
        return self

    def close(self) -> None:
        """Stop the server and free its port; closing twice does nothing."""
        with self._lock:
            server, self._server, self._url = self._server, None, None
            if server is not None and self._finalizer is not None:
                self._finalizer.detach()
                if server.is_ours():
                    self._store.sender.close()
                server.close()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        if self._url is None:
            raise RuntimeError("the sandbox is not running; use `with Sandbox() as sandbox:`")
        return self._url

    @property
    def video_ids(self) -> list[str]:
        """Ids of the team's videos, newest last."""
        return [video.id for video in self._store.own]

    @property
    def other_team_video_ids(self) -> list[str]:
        """Ids that belong to another team and are refused."""
        return list(self._store.other_team)

    @property
    def requests_seen(self) -> list[tuple[str, str]]:
        """Method and path of the latest 10,000 requests; paths as received, with their query."""
        # copy() is one step; a plain list() could meet the server's thread adding to it.
        return list(self._middleware.requests.copy())

    @property
    def request_counts(self) -> dict[str, int]:
        """How many came by kind of path: details, list, download, thumbnail, other."""
        return dict(self._middleware.counts)

    @property
    def webhook_deliveries(self) -> list[Delivery]:
        """Latest webhook events sent: id of the video, attempt, HTTP status or failure."""
        return list(self._store.sender.deliveries.copy())

    def client(self, **settings: Any) -> HookedClient:
        """
        Client that talks to this sandbox.

        Parameters
        ----------
        **settings : Any
            Those of `HookedClient`; without a ``requests_per_minute`` it keeps to the sandbox's
            limit, counted in real time.

        Returns
        -------
        HookedClient
            A new client, to be closed by its user.
        """
        from hooked_analytics import HookedClient

        limit = self._requests_per_minute
        if limit is not None:
            # Where the clock is slow, a sandbox minute is longer than the client's.
            limit = max(1, int(limit * min(1.0, self._clock.time_scale or 1.0)))
        return HookedClient(
            self.api_key, **{"base_url": self.url, "requests_per_minute": limit, **settings}
        )

    def now(self) -> datetime:
        """
        Time in the sandbox, which its Date header shows too.

        Returns
        -------
        datetime
            In UTC.
        """
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def advance(self, seconds: float) -> None:
        """
        Jump ahead in time: renders go on, links grow old, the limit's window passes.

        Parameters
        ----------
        seconds : float
            How far, in sandbox time [s].
        """
        self._clock.advance(seconds)
        self._store.sender.wake()

    def create_video(
        self,
        type: str,
        *,
        video_id: str | None = None,
        created_at: datetime | None = None,
        duration_seconds: float | None = None,
        render_seconds: float | None = None,
        fails: bool | str | None = None,
        used_credits: float | None = None,
        webhook: str | None = None,
        fields: Mapping[str, object] | None = None,
        **values: object,
    ) -> str:
        """
        Start a new render; what is not given is drawn, as for the videos already there.

        Parameters
        ----------
        type : str
            Any text; a type that Hooked does not know behaves like ``ugc_video``.
        video_id : str, optional
            Its id.
        created_at : datetime, optional
            With a time zone; now, if not given.
        duration_seconds, render_seconds : float, optional
            Length of the finished video; from creation to the end, good or bad [s].
        fails : bool or str, optional
            Whether it fails; a text is its message.
        used_credits : float, optional
            What it will have cost [credits].
        webhook : str, optional
            URL on this machine for the event at the end. Without a status 2xx within 5 s (real
            time) the event is sent again 1, 5 and 15 minutes later (sandbox time).
        fields : mapping of str to object, optional
            Laid over the body of the details endpoint, for answers out of the ordinary.
        **values : object
            Any of ``name``, ``script``, ``avatar_id``, ``voice_id``, ``music_id``,
            ``aspect_ratio``, ``caption_disabled``, ``caption_preset``, ``project_id``,
            ``metadata`` (sent along with the event).

        Returns
        -------
        str
            Id of the new video.

        Examples
        --------
        >>> sandbox = Sandbox(videos=1)
        >>> video_id = sandbox.create_video("ugc_ads", render_seconds=20, fails="Out of film")
        >>> sandbox.video_ids[-1] == video_id
        True
        """
        if created_at is not None and created_at.tzinfo is None:
            raise ValueError("created_at needs a time zone; add tzinfo=datetime.UTC")
        video = self._store.create(
            type,
            None if created_at is None else created_at.timestamp(),
            id=video_id,
            duration_seconds=duration_seconds,
            render_seconds=render_seconds,
            fails=fails,
            used_credits=used_credits,
            webhook=webhook,
            fields=fields,
            **values,
        )
        return video.id

    def delete_video(self, video_id: str) -> None:
        """
        Delete a video, as its owner may: from now on it is not found.

        Parameters
        ----------
        video_id : str
            One of the team's.
        """
        self._store.remove(video_id)


def _stop(server: ServerThread, sender: WebhookSender) -> None:
    """End a dropped sandbox, without waiting: this may run in any thread."""
    if server.is_ours():
        server.stop()
        sender.stop()


def serve(
    *,
    port: int = 8787,
    say: Callable[[str], object] = print,
    stop: threading.Event | None = None,
    **settings: Any,
) -> None:
    """Run a sandbox until Ctrl-C, or until *stop* is set; *say* takes each line of text."""
    stop = threading.Event() if stop is None else stop
    sandbox = Sandbox(**settings).start(port=port)
    url, key = sandbox.url, sandbox.api_key
    try:
        say(f"Hooked sandbox with {len(sandbox.video_ids)} invented videos on {url}, key {key}")
        say(f'  curl -H "x-api-key: {key}" {url}/v1/video/vid_abc123')
        say("Point hooked-analytics at it:")
        say(f"  export HOOKED_API_URL={url} HOOKED_API_KEY={key}")
        say("Ctrl-C ends it.")
        # An endless wait would be deaf to Ctrl-C on Windows.
        while not stop.wait(0.5):
            pass
    except KeyboardInterrupt:
        say("The sandbox has ended.")
    finally:
        sandbox.close()
