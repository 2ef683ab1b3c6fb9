"""Charges under the column names of FOCUS, for tools that read those."""

from __future__ import annotations

import pandas as pd

from hooked_analytics.credits.once import once
from hooked_analytics.videos import require_columns
from hooked_analytics.videos.ends import seconds_between

TITLE = "FOCUS-named, not conformant"
UNIT = "Hooked credits"
_COPIED = {
    "ResourceId": "video_id",
    "ResourceName": "name",
    "ResourceType": "type",
    "SkuId": "type",
    "SubAccountId": "team_id",
}
_NUMBERS = {"ConsumedQuantity": "duration_seconds", "PricingQuantity": "used_credits"}
_NEEDED = [
    *dict.fromkeys([*_COPIED.values(), *_NUMBERS.values()]),
    *("status", "created_at", "updated_at"),
]


def focus_table(videos: pd.DataFrame, *, price_per_credit: float | None = None) -> pd.DataFrame:
    """
    One charge per video under the column names of FOCUS 1.2: FOCUS-named, not conformant.

    The names are those of the FinOps Open Cost and Usage Specification, so that its readers
    find their way. It is no FOCUS bill: Hooked sends none, many mandatory columns are
    missing, and what is billed is only known from a price you give.

    Parameters
    ----------
    videos : one row per video
        Needs ``video_id, name, type, status, created_at, updated_at, duration_seconds,
        used_credits`` and ``team_id``. A video given twice counts once, as last updated.
    price_per_credit : adds ``BilledCost`` in the price's currency

    Returns
    -------
    one row per video, in order of time, titled so in ``attrs["title"]``
        ``ChargePeriodStart`` and ``ChargePeriodEnd``: the UTC day in which the video was asked
        for, its end excluded; ``ChargeCategory, ServiceName, ResourceId, ResourceName,
        ResourceType, SkuId, SubAccountId``; ``ConsumedQuantity`` [s of video] with
        ``ConsumedUnit``; ``PricingQuantity`` [credits] with ``PricingUnit`` and
        ``PricingCurrency``; ``BilledCost``; and fields of our own, ``x_Status``,
        ``x_RenderSeconds`` [s] and ``x_Waste``: credits of a failed video, 0 for a completed
        one, missing while that is open. An unknown figure is missing. Links are left out.

    Raises
    ------
    ValueError
        A needed column is not there, or *price_per_credit* is below 0.

    Examples
    --------
    >>> from hooked_analytics import videos_from_records
    >>> videos = videos_from_records([
    ...     {"id": "vid_1", "type": "class", "status": "COMPLETED", "usedCredits": 5,
    ...      "createdAt": "2024-01-15T10:00:00Z"}])
    >>> table = focus_table(videos, price_per_credit=0.25)
    >>> table[["ResourceId", "PricingQuantity", "PricingUnit", "BilledCost"]].values.tolist()
    [['vid_1', 5.0, 'Hooked credits', 1.25]]
    >>> table.attrs["title"]
    'FOCUS-named, not conformant'
    """
    require_columns(videos.columns, _NEEDED, what="focus_table")
    if price_per_credit is not None and not price_per_credit >= 0:
        raise ValueError(f"price_per_credit is 0 or more, not {price_per_credit!r}")
    charged = once(videos[_NEEDED]).sort_values("created_at", kind="stable", ignore_index=True)
    numbers = {name: charged[column].astype("float64") for name, column in _NUMBERS.items()}
    credits, day = numbers["PricingQuantity"], charged["created_at"].dt.floor("D")
    failed, completed = (
        charged["status"].eq(status).fillna(False).astype(bool)
        for status in ("FAILED", "COMPLETED")
    )
    money = {} if price_per_credit is None else {"BilledCost": credits * price_per_credit}
    table = pd.DataFrame(
        {
            "ChargePeriodStart": day,
            "ChargePeriodEnd": day + pd.Timedelta(1, "D"),
            "ChargeCategory": "Usage",
            "ServiceName": "Hooked",
            **{name: charged[column] for name, column in _COPIED.items()},
            "ConsumedQuantity": numbers["ConsumedQuantity"],
            "ConsumedUnit": "Seconds",
            "PricingQuantity": credits,
            "PricingUnit": UNIT,
            "PricingCurrency": UNIT,
            **money,
            "x_Status": charged["status"],
            "x_RenderSeconds": seconds_between(charged, "created_at", "updated_at", "COMPLETED"),
            "x_Waste": credits.where(failed).mask(completed, 0.0),
        }
    )
    table.attrs["title"] = TITLE
    return table
