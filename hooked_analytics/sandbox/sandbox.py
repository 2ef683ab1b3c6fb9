"""The sandbox as its user holds it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

from hooked_analytics.sandbox.clock import Clock, unix_seconds
from hooked_analytics.sandbox.generators import new_video, seeded
from hooked_analytics.sandbox.limit import limit_for
from hooked_analytics.sandbox.seed_data import other_team_videos, own_videos
from hooked_analytics.sandbox.store import VideoStore
from hooked_analytics.sandbox.webhooks import SHAPES, WebhookSender

if TYPE_CHECKING:
    from hooked_analytics import HookedClient
    from hooked_analytics._internal.server import ServerThread
    from hooked_analytics.sandbox.webhooks import Delivery

__all__ = ["Sandbox"]

REQUEST_KINDS = ("details", "list", "download", "thumbnail", "other")
OTHER_TEAM_VIDEOS = 5
# Longer than anybody's polling interval, so that no request meets a closing connection.
KEEP_ALIVE_SECONDS = 75
MISSING_EXTRA = (
    "the sandbox needs starlette and uvicorn, which are not installed; "
    'install them with: pip install "hooked-analytics[sandbox]"'
)


class Sandbox:
    """
    A local server that speaks the Hooked API.

    It holds a team's videos: 120 days of finished ones, a few that are rendering when it
    starts, and the API page's sample ``vid_abc123``. All figures are invented, see
    `hooked_analytics.sandbox.constants`. The same *seed* and *started_at* give the same videos.

    Parameters
    ----------
    videos : how many of the team's own
    seed : of videos, faults and signatures
    time_scale : sandbox seconds per real second; 0 makes its clock stand still
    requests_per_minute : the limit, per sandbox minute; None for none
    faults : kind -> rate, or one rate shared by all kinds of
        `hooked_analytics.sandbox.faults.KINDS`
    file_faults : the same for downloads and thumbnails, of
        `hooked_analytics.sandbox.faults.FILE_KINDS`
    api_key : what the header ``x-api-key`` must say
    started_at : where the sandbox's clock begins; now, if missing
    port : 0 for any free one
    flat_body : details without their envelope, as the API's OpenAPI block has them
    retry_after : whether a 429 says how long to wait
    burst : makes the limit a token bucket of this size instead of a fixed window
    latency_seconds : added to each API answer, in real time [s]
    drip_seconds : how long a body takes under the fault ``drip``, in real time [s]
    webhook_shape : ``project`` or ``video``: which of the two known shapes its calls have

    Examples
    --------
    >>> import requests
    >>> with Sandbox(videos=20) as sandbox:
    ...     answer = requests.get(
    ...         f"{sandbox.url}/v1/video/vid_abc123", headers={"x-api-key": sandbox.api_key}
    ...     )
    >>> answer.json()["data"]["status"]
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
        started_at: datetime | None = None,
        port: int = 0,
        flat_body: bool = False,
        retry_after: bool = True,
        burst: int | None = None,
        latency_seconds: float = 0.0,
        drip_seconds: float = 2.0,
        file_faults: float | Mapping[str, float] | None = None,
        webhook_shape: str = "project",
    ) -> None:
        if find_spec("starlette") is None or find_spec("uvicorn") is None:
            raise ImportError(MISSING_EXTRA)
        from hooked_analytics.sandbox.faults import Faults
        from hooked_analytics.sandbox.middleware import Middleware

        if videos < 1:
            raise ValueError(f"videos must be 1 or more, not {videos!r}: the sample is one")
        if not api_key:
            raise ValueError("api_key must not be empty, or every request would be let in")
        if webhook_shape not in SHAPES:
            raise ValueError(f"webhook_shape is one of {', '.join(SHAPES)}, not {webhook_shape!r}")
        start = unix_seconds(started_at)
        self.api_key = api_key
        self._seed = seed
        self._port = port
        self._flat_body = flat_body
        self._requests_per_minute = requests_per_minute
        self._created = 0
        self._url: str | None = None
        self._server: ServerThread | None = None
        self._clock = Clock(start, time_scale)
        self._store = VideoStore(
            own_videos(videos, seed, start), other_team_videos(OTHER_TEAM_VIDEOS, seed, start)
        )
        self._sender = WebhookSender(self._clock, self._link, webhook_shape)
        self._middleware = Middleware(
            self._clock,
            Faults(
                faults,
                files=file_faults,
                seed=seed,
                drip_seconds=drip_seconds,
                retry_after=retry_after,
            ),
            limit_for(requests_per_minute, burst),
            api_key=api_key,
            latency_seconds=latency_seconds,
            retry_after=retry_after,
        )

    def __repr__(self) -> str:
        return f"Sandbox({self._url or 'not running'}, {len(self._store.own)} videos)"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> Self:
        """
        Start the server, unless it runs, and wait until it answers; gives itself back.

        Examples
        --------
        >>> sandbox = Sandbox(videos=1).start()
        >>> sandbox.close()
        """
        from hooked_analytics._internal.server import ServerThread, listen
        from hooked_analytics.sandbox.app import build_routes
        from hooked_analytics.sandbox.signed_links import Links

        if self._server is not None:
            return self
        sock = listen(self._port)
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        links = self._links = Links(url, seed=self._seed)
        self._middleware.app = build_routes(
            self._store, self._clock, links, flat_body=self._flat_body
        )
        server = ServerThread(
            self._middleware, sock, what="sandbox", keep_alive_seconds=KEEP_ALIVE_SECONDS
        )
        self._clock.start()
        server.start()
        self._sender.start()
        self._server, self._url = server, url
        return self

    def close(self) -> None:
        """
        Stop the server and free its port; closing twice does nothing.

        Examples
        --------
        >>> Sandbox(videos=1).close()
        """
        server, self._server, self._url = self._server, None, None
        if server is not None:
            self._sender.close()
            server.close()

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        if self._url is None:
            raise RuntimeError("the sandbox is not running; use `with Sandbox() as sandbox:`")
        return self._url

    @property
    def video_ids(self) -> list[str]:
        """Ids of the team's videos, newest last."""
        return [video.id for video in self._store.own]

    @property
    def foreign_video_ids(self) -> list[str]:
        """Ids that belong to another team and are refused."""
        return self._store.other_team_ids

    @property
    def requests_seen(self) -> list[tuple[str, str]]:
        """Method and path of the latest 10,000 requests; paths as received, with their query."""
        return self._middleware.log.latest()

    @property
    def request_counts(self) -> dict[str, int]:
        """How many came by kind of path: details, list, download, thumbnail, other."""
        return {kind: self._middleware.log.counts[kind] for kind in REQUEST_KINDS}

    @property
    def webhook_calls(self) -> list[Delivery]:
        """Latest calls it made: id of the video, the how manieth, HTTP status or failure."""
        return self._sender.made()

    def client(self, **settings: Any) -> HookedClient:
        """
        Client that talks to this sandbox.

        Parameters
        ----------
        settings : further settings of `HookedClient`; without a ``requests_per_minute`` it
            keeps to the sandbox's limit, counted in real time

        Examples
        --------
        >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
        ...     client.get_video("vid_abc123")["name"]
        'Product Tutorial'
        """
        from hooked_analytics import HookedClient

        limit = self._requests_per_minute
        if limit is not None:
            # Where the clock is slow, a sandbox minute is longer than the client's.
            limit = max(1, int(limit * min(1.0, self._clock.time_scale or 1.0)))
        chosen = {"base_url": self.url, "requests_per_minute": limit, **settings}
        return HookedClient(self.api_key, **chosen)

    def now(self) -> datetime:
        """
        Time in the sandbox, which its Date header tells too.

        Examples
        --------
        >>> start = datetime(2026, 3, 2, tzinfo=UTC)
        >>> Sandbox(videos=1, started_at=start).now().isoformat()
        '2026-03-02T00:00:00+00:00'
        """
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def advance(self, seconds: float) -> None:
        """
        Jump ahead in time: renders go on, links grow old, the limit's window passes.

        Parameters
        ----------
        seconds : how far, in sandbox time [s]

        Examples
        --------
        >>> sandbox = Sandbox(videos=1, started_at=datetime(2026, 3, 2, tzinfo=UTC))
        >>> sandbox.advance(3600)
        >>> sandbox.now().hour
        1
        """
        self._clock.advance(seconds)
        self._sender.wake()

    def create_video(
        self,
        type: str,
        *,
        name: str | None = None,
        script: str | None = None,
        avatar_id: str | None = None,
        webhook: str | None = None,
        video_id: str | None = None,
        created_at: datetime | None = None,
        duration_seconds: float | None = None,
        render_seconds: float | None = None,
        fails: bool | str | None = None,
        used_credits: float | None = None,
        fields: Mapping[str, object] | None = None,
        **values: object,
    ) -> str:
        """
        Start a new render. What is not given is drawn, as for the videos already there.

        Parameters
        ----------
        type : any text; those Hooked does not know behave like ``ugc_video``
        webhook : address to call when the render has ended, on this machine only
            A call that is not answered 2xx within 5 s (real time) is made again 1, 5 and 15
            minutes later (sandbox time).
        created_at : now, if missing
        duration_seconds : length of the finished video [s]
        render_seconds : from creation to the end, good or bad [s]
        fails : a text is the message it fails with
        used_credits : what it will have drawn [credits]
        fields : laid over the answer of the details endpoint, for answers out of the ordinary
        values : further fields of `hooked_analytics.sandbox.video.Video`, such as ``music_id``

        Returns
        -------
        id of the new video

        Examples
        --------
        >>> sandbox = Sandbox(videos=1)
        >>> video_id = sandbox.create_video("ugc_ads", render_seconds=20, fails="Out of film")
        >>> sandbox.video_ids[-1] == video_id
        True
        """
        self._created += 1
        video = new_video(
            seeded(self._seed, f"created/{self._created}"),
            type,
            self._clock.now() if created_at is None else unix_seconds(created_at),
            duration_seconds=duration_seconds,
            render_seconds=render_seconds,
            fails=fails,
            used_credits=used_credits,
            name=name,
            script=script,
            avatar_id=avatar_id,
            webhook=webhook,
            id=video_id,
            fields=fields,
            **values,
        )
        self._store.add(video)
        self._sender.expect(video)
        return video.id

    def delete_video(self, video_id: str) -> None:
        """
        Delete a video, as its owner may: from now on it is not found.

        Examples
        --------
        >>> sandbox = Sandbox(videos=1)
        >>> sandbox.delete_video("vid_abc123")
        >>> sandbox.video_ids
        []
        """
        self._store.remove(video_id)

    def _link(self, video_id: str, now: float) -> str:
        return self._links.download(video_id, now)
