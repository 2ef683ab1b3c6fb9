"""
The tables behind the sandbox's videos: which types there are, how long they take, what they cost.

Hooked publishes no figure of this kind. Every number and every text here is invented so that
renders, failures and spending look plausible; none of it describes the real service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = [
    "ASPECT_RATIOS",
    "AVATARS",
    "CAPTION_PRESETS",
    "FAILURES",
    "FRAMES_PER_SECOND",
    "HISTORY_DAYS",
    "HOUR_WEIGHTS",
    "LINK_LIFE_SECONDS",
    "OPENERS",
    "PRODUCTS",
    "STAGES",
    "TYPES",
    "VOICES",
    "WEEKDAY_WEIGHTS",
    "VideoType",
    "facts_of",
]

FRAMES_PER_SECOND = 25
LINK_LIFE_SECONDS = 86_400
HISTORY_DAYS = 120
DAILY_GROWTH = 0.01
LIVE_SHARE = 0.04
RETRY_SHARE = 0.6
UNKNOWN_CREDITS_SHARE = 0.01
WITHOUT_PROJECT_SHARE = 0.1
MILLISECONDS_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class VideoType:
    """
    How videos of one type behave in the sandbox; all of it invented.

    Parameters
    ----------
    name : the API's word for the type
    share_then, share_now : part of all new videos, 120 days ago and today
    median_seconds : of the render time, which is lognormal [s]
    sigma : of the logarithm of the render time
    failure_rate : part of the renders that end as FAILED
    shortest_seconds, longest_seconds : range of the finished video's duration [s]
    credits_base : drawn by every video [credits]
    credits_per_minute : drawn on top for each minute of video [credits / min]
    has_avatar : whether a presenter speaks in it

    Examples
    --------
    >>> facts_of("class").credits(300)
    5
    """

    name: str
    share_then: float
    share_now: float
    median_seconds: float
    sigma: float
    failure_rate: float
    shortest_seconds: float
    longest_seconds: float
    credits_base: float
    credits_per_minute: float
    has_avatar: bool

    def credits(self, duration_seconds: float) -> float:
        """
        Credits that a finished video of this length draws.

        Parameters
        ----------
        duration_seconds : length of the video [s]

        Returns
        -------
        a multiple of a half [credits]

        Examples
        --------
        >>> facts_of("add_captions").credits(70)
        1
        """
        raw = self.credits_base + self.credits_per_minute * duration_seconds / 60
        halves = max(1, math.ceil(2 * raw - 1e-9))
        return halves // 2 if halves % 2 == 0 else halves / 2


# name, share then and now, median [s], sigma, failures, duration [s], credits base, per min, avatar
TYPES = (
    VideoType("class", 0.14, 0.08, 240, 0.35, 0.03, 60, 360, 0, 1, True),
    VideoType("ugc_ads", 0.16, 0.26, 210, 0.45, 0.06, 15, 60, 3, 4, True),
    VideoType("ugc_video", 0.14, 0.18, 150, 0.40, 0.05, 15, 90, 2, 4, True),
    VideoType("script_to_video", 0.14, 0.12, 170, 0.40, 0.05, 20, 120, 2, 2, False),
    VideoType("prompt_to_video", 0.08, 0.08, 200, 0.50, 0.08, 20, 90, 3, 2, False),
    VideoType("hook_demo", 0.08, 0.08, 0, 0.00, 0.00, 5, 20, 1, 0, True),
    VideoType("product_ads", 0.08, 0.08, 220, 0.50, 0.07, 15, 60, 4, 3, True),
    VideoType("scenes", 0.04, 0.04, 320, 0.45, 0.09, 10, 60, 4, 8, True),
    VideoType("add_captions", 0.06, 0.04, 60, 0.35, 0.02, 10, 120, 0, 0.5, False),
    VideoType("extend_video", 0.02, 0.01, 180, 0.50, 0.10, 4, 60, 0, 20, False),
    VideoType("remove_background", 0.03, 0.01, 90, 0.40, 0.04, 10, 60, 1, 1, False),
    VideoType("tiktok_slideshow", 0.03, 0.02, 45, 0.30, 0.02, 6, 60, 1, 0, False),
)


def facts_of(type_name: str) -> VideoType:
    """
    Facts of one type; a type nobody knows behaves like an ordinary talking avatar.

    Parameters
    ----------
    type_name : the API's word for the type

    Returns
    -------
    one row of `TYPES`, under the name asked for

    Examples
    --------
    >>> facts_of("hook_demo").median_seconds
    0
    >>> facts_of("ai_short").name
    'ai_short'
    """
    by_name = {kind.name: kind for kind in TYPES}
    known = by_name.get(type_name)
    return known or VideoType(type_name, 0, 0, 150, 0.40, 0.05, 15, 90, 2, 4, True)


# message of a failed video, how often, part of the credits drawn all the same
FAILURES = (
    ("Unsupported characters in the script", 0.30, 0.0),
    ("Voice model is currently unavailable", 0.25, 0.0),
    ("Audio processing failed", 0.20, 1.0),
    ("Avatar lip sync did not converge", 0.15, 1.0),
    ("Source media could not be read", 0.10, 0.5),
)

# from this progress on [%], message of a video that is rendering
STAGES = (
    (0, "Video is queued for rendering"),
    (5, "Preparing the script"),
    (20, "Generating the voice-over"),
    (45, "Rendering scenes"),
    (80, "Adding captions and music"),
    (95, "Uploading the video"),
)

WEEKDAY_WEIGHTS = (1.00, 1.10, 1.15, 1.10, 0.95, 0.35, 0.30)  # Monday first
HOUR_WEIGHTS = (1, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 17, 13, 16, 19, 18, 16, 13, 9, 7, 5, 4, 3, 2)

AVATARS = ("avatar_sarah_01", "avatar_marco_02", "avatar_aiko_03", "avatar_lena_04")
VOICES = ("tzX5paJ07p5hyWFcU3uG", "b7QmKd02LrXoVn5sTyEw", "Zp4hNc81GuJaRf6iWqOx")
ASPECT_RATIOS = (("ratio_9_16", 0.80), ("ratio_16_9", 0.12), ("ratio_1_1", 0.08))
CAPTION_PRESETS = ("default", "beast", "tiktok", "classic", "bubble", "neon", "vivid")

# product, what it does
PRODUCTS = (
    ("Brightcup", "keeps your coffee hot until the last sip"),
    ("Mossy", "tells you when your plants are thirsty"),
    ("Fernway", "packs a week of clothes into one small bag"),
    ("Pocketlab", "turns homework into a ten-minute game"),
    ("Solana Skin", "calms dry skin overnight"),
    ("Tidalist", "plans your week before Monday does"),
    ("Crumb & Co", "bakes sourdough you can slice on the bus"),
    ("Hushbox", "makes any room quiet enough to record in"),
)

# kind of clip (for the name), opening line, closing line
OPENERS = (
    ("teaser", "Stop scrolling for five seconds.", "Tap to try it today."),
    ("customer story", "I did not believe it either.", "Read the other reviews below."),
    ("how-to", "Here is the trick nobody tells you.", "Save this for later."),
    ("launch", "It is finally here.", "The first hundred orders ship free."),
    ("comparison", "I tested five so you do not have to.", "The link is in the bio."),
    ("weekend offer", "This one ends on Sunday.", "Use the code HELLO at checkout."),
)
