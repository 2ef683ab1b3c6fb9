"""Ids to details, one request per video; the team's list, one request per hundred."""

from __future__ import annotations

import contextlib
from datetime import date
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from hooked_analytics._internal.cancel import despite_interrupts
from hooked_analytics.client import HookedClient, check_parts, check_whole
from hooked_analytics.client.responses import MAX_COUNT
from hooked_analytics.errors import FetchError, FetchInterrupted, HookedError
from hooked_analytics.fetch.fetch_job import FetchJob, plan_requests, validate_ids
from hooked_analytics.fetch.video_state import Archive
from hooked_analytics.schema import NAMES, Row, frame_from_rows, parse_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

_CREATED_AT = NAMES.index("created_at")


def fetch_videos(
    video_ids: str | Iterable[object],
    *,
    client: HookedClient | None = None,
    archive: Archive | None = None,
    errors: Literal["coerce", "raise"] = "coerce",
    progress: bool | None = None,
) -> pd.DataFrame:
    """
    Fetch the details of many videos, several at a time.

    One request per video, more only where an attempt failed. An id that failed is a row that says
    why, so fetching the failed ids again requests only what is missing.

    Parameters
    ----------
    video_ids : str or Iterable[str]
        Ids in any iterable, one id, or a table with a column ``video_id``. Surrounding white space
        and characters that show nothing are taken off; an id given twice is requested once, with
        a warning.
    client : HookedClient, optional
        Whose key, limit and connections to use. A new one for this call when missing.
    archive : VideoArchive, optional
        Videos whose end and credits are settled there are not requested; the others are kept
        there, every half minute, at the end and on an interrupt. A completed video without
        credits, or a failed one with some, is requested again for three days, at most hourly.
    errors : {"coerce", "raise"}
        ``"coerce"`` makes failed ids rows; ``"raise"`` raises after the batch.
    progress : bool, optional
        Whether to show a bar. When missing, only in a notebook and on a terminal.

    Returns
    -------
    DataFrame
        One row per distinct id, in the order given. ``fetch_error`` is missing where the fetch
        went well. Else it is one of ``invalid_id, not_found, forbidden, rate_limited, timeout,
        network, server, bad_response``, and every column the API would have filled is missing.

    Raises
    ------
    AuthenticationError, SubscriptionError
        The key or the subscription is refused. The batch stops; ``.videos`` has what arrived.
    FetchError
        Some ids failed and *errors* is ``"raise"``, or the archive could not be written;
        ``.videos`` has every row.
    FetchInterrupted
        The stop button; ``.videos`` has every row, those not requested as ``not_fetched``.
    StorageError
        The archive's folder cannot be written, or its disk is full. Nothing was requested.
    TypeError, ValueError
        *video_ids* can hold no ids. Nothing was requested.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=1) as sandbox, sandbox.client() as client:
    ...     videos = fetch_videos(["vid_abc123", "no/id"], client=client)
    >>> videos["video_id"].tolist()
    ['vid_abc123', 'no/id']
    >>> videos["fetch_error"].fillna("").tolist()
    ['', 'invalid_id']
    """
    if errors not in {"coerce", "raise"}:
        raise ValueError(f"errors is 'coerce' or 'raise', not {errors!r}")
    check_parts(client=client, archive=archive)
    job = None
    try:
        with contextlib.nullcontext(client) if client else HookedClient() as used:
            requested = plan_requests(validate_ids(video_ids, used), archive)
            job = FetchJob(used, requested, archive)
            videos = job.finish(progress)
        failed = int(videos["fetch_error"].notna().sum())
    except KeyboardInterrupt:
        if job is None or job.videos is None:
            raise
        message = "Stopped when all was done: every row is in .videos of this error"
        raise FetchInterrupted(message, videos=job.videos) from None
    if errors == "raise" and failed:
        first = videos["fetch_error_message"].dropna().iloc[0]
        raise FetchError(
            f"{failed:,} of {len(videos):,} videos could not be fetched, the first: {first}. "
            "Every row is in .videos of this error.",
            videos=videos,
        )
    return videos


def list_videos(
    *,
    client: HookedClient | None = None,
    type: str | None = None,
    status: str | None = None,
    since: str | datetime | None = None,
    until: str | datetime | None = None,
    limit: int | None = None,
) -> pd.DataFrame:
    """
    List the team's videos, 100 a request.

    The list tells less than details do: credits, script, avatar and voice are missing, and
    ``type`` is known only when it was given. Credits need `fetch_videos`.

    Parameters
    ----------
    client : HookedClient, optional
        Whose key, limit and connections to use. A new one for this call when missing.
    type : str, optional
        Only videos of this type.
    status : str, optional
        Only videos in this state: draft, processing, completed or failed.
    since, until : str or datetime, optional
        Only videos created from *since* on and before *until*; UTC where no zone is given. Pages
        older than *since* are not read while the list runs from new to old.
    limit : int, optional
        Stop after so many videos.

    Returns
    -------
    DataFrame
        One row per video, in the API's order. Fields the list lacks are missing.

    Raises
    ------
    HookedError
        A page could not be had; ``.videos`` has those before it.
    FetchInterrupted
        The stop button; ``.videos`` has what arrived.
    ValueError
        A limit below 0, or times that are none or in the wrong order. Nothing was requested.

    Examples
    --------
    >>> from hooked_analytics import Sandbox
    >>> with Sandbox(videos=120) as sandbox, sandbox.client() as client:
    ...     videos = list_videos(client=client, limit=110)
    ...     len(videos), client.requests_sent
    (110, 2)
    """
    check_parts(client=client)
    if limit is not None:
        check_whole(0, MAX_COUNT, limit=limit)
    first, last = _moment("since", since), _moment("until", until)
    if first is not None and last is not None and first >= last:
        raise ValueError(f"since is before until, not {since} and {until}")
    rows: list[Row] = []
    try:
        with contextlib.nullcontext(client) if client else HookedClient() as used:
            for row in _list_rows(used, type, status, first):
                if limit is not None and len(rows) >= limit:
                    break
                created = row[_CREATED_AT]
                if (first or last) and created is None:
                    continue
                if (first is None or created >= first) and (last is None or created < last):
                    rows.append(row)
        return frame_from_rows(rows)
    except KeyboardInterrupt:
        videos = despite_interrupts(lambda: frame_from_rows(rows))
        raise FetchInterrupted(
            f"The list was stopped after {len(videos):,} videos; they are in .videos of this error",
            videos=videos,
        ) from None
    except HookedError as error:
        error.videos = despite_interrupts(lambda: frame_from_rows(rows))
        raise


def _list_rows(
    client: HookedClient, type: str | None, status: str | None, since: pd.Timestamp | None
) -> Iterator[Row]:
    """Rows of the list; items without a type carry the one that was given."""
    newest_first, before = True, None
    for page in client.list_pages(type=type, status=status):
        created = []
        for record in page.records:
            full = record if record.get("type") or not type else {**record, "type": type}
            row = parse_record(full, fetched_at=page.seen_at, flags=page.flags)
            moment = row[_CREATED_AT]
            newest_first &= moment is not None and (before is None or moment <= before)
            before = moment
            created.append(moment)
            yield row
        if since is not None and newest_first and all(moment < since for moment in created):
            return


def _moment(name: str, given: str | datetime | None) -> pd.Timestamp | None:
    if given is None:
        return None
    try:
        moment = pd.Timestamp(given) if isinstance(given, (str, date, np.datetime64)) else pd.NaT
        if not pd.isna(moment):
            return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")
    except ValueError:
        pass
    raise ValueError(f"{name} is a date such as 2026-10-01, not {given!r:.40}")
