"""The first five colours stay apart for eyes without one kind of cone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from hooked_analytics.plots import PALETTE
from hooked_analytics.plots.style import SERIES

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
MACHADO = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip
XYZ = [
    [0.4124564, 0.3575761, 0.1804375],
    [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
]


def linear(colour: str) -> np.ndarray:
    channels = np.array(to_rgb(colour))
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> tuple[float, float, float]:
    white = np.array([0.95047, 1, 1.08883])
    part = np.array(XYZ) @ np.clip(rgb, 0, 1) / white
    x, y, z = np.where(part > (6 / 29) ** 3, np.cbrt(part), part / (3 * (6 / 29) ** 2) + 4 / 29)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    grow = 1.5 - 0.5 * np.sqrt(mean**7 / (mean**7 + 25.0**7))
    c1, c2 = np.hypot(grow * a1, b1), np.hypot(grow * a2, b2)
    h1, h2 = (np.arctan2(b, grow * a) for a, b in ((a1, b1), (a2, b2)))
    turn = (h2 - h1 + np.pi) % (2 * np.pi) - np.pi
    h, light, c = h1 + turn / 2, (l1 + l2) / 2, (c1 + c2) / 2
    t = (1 - 0.17 * np.cos(h - np.pi / 6) + 0.24 * np.cos(2 * h)
         + 0.32 * np.cos(3 * h + np.radians(6)) - 0.2 * np.cos(4 * h - np.radians(63)))  # fmt: skip
    dl = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    dc = (c2 - c1) / (1 + 0.045 * c)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(turn / 2) / (1 + 0.015 * c * t)
    around = np.radians(60 * np.exp(-(((np.degrees(h) % 360 - 275) / 25) ** 2)))
    rotate = -2 * np.sqrt(c**7 / (c**7 + 25.0**7)) * np.sin(around)
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + rotate * dc * dh))


def test_the_distance_is_that_of_the_published_pairs():
    pair = (50, 2.6772, -79.7751), (50, 0, -82.7485)
    assert ciede2000(*pair) == pytest.approx(2.0425, abs=1e-4)
    assert ciede2000((50, 2.5, 0), (58, 24, 15)) == pytest.approx(19.4535, abs=1e-4)


@pytest.mark.parametrize("eyes", MACHADO)
def test_five_colours_are_told_apart(eyes):
    seen = {name: lab(np.array(MACHADO[eyes]) @ linear(name)) for name in SERIES}
    apart = {
        pair: ciede2000(seen[pair[0]], seen[pair[1]]) for pair in itertools.combinations(seen, 2)
    }
    assert len(seen) == 5
    assert min(apart.values()) >= 12, apart
    assert {PALETTE[name] for name in ("completed", "rendering", "failed")} <= set(SERIES)
