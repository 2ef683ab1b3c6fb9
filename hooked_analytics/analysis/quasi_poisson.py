"""A quasi-Poisson law of daily totals: seven weekdays and a trend, in plain NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MAX_STEPS = 100
_CONVERGED = 1e-12
_LAGS = 7
_MAX_INFLATION = 6.0


class Fit(NamedTuple):
    """Coefficients of the law, with what their uncertainty needs."""

    weekdays: NDArray[np.intp]  # those with any credits; the others are 0 for certain
    coefficients: Floats
    covariance: Floats
    dispersion: float
    inflation: float  # how much wider sums are because each day leans on the one before
    residuals: Floats  # Pearson
    freedom: int


class Range(NamedTuple):
    """Expected credits with half the width of the range around them."""

    mean: Floats
    half: Floats


def design(days: NDArray[np.int64], weekdays: NDArray[np.intp], origin: int) -> Floats:
    """
    One column per weekday, then weeks since *origin*; rows of other weekdays are all 0.

    Examples
    --------
    >>> design(np.array([0, 7]), np.array([3]), 7).tolist()  # day 0 was a Thursday
    [[1.0, -1.0], [1.0, 0.0]]
    """
    known = weekday(days)[:, None] == weekdays
    trend = (days - origin) / 7 * known.any(axis=1)
    return np.column_stack([known, trend]).astype(float)


def weekday(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """Monday is 0, of days counted from 1970-01-01, a Thursday."""
    return (days + 3) % 7


def fit(days: NDArray[np.int64], credits: Floats) -> Fit:
    """
    Fit by iteratively reweighted least squares; McCullagh and Nelder (1989), chapter 9.

    Parameters
    ----------
    days : days since 1970-01-01, ascending
    credits : total of each, 0 or more, not all 0

    Examples
    --------
    >>> days = np.arange(28)
    >>> found = fit(days, np.where(weekday(days) < 5, 20.0, 10.0))
    >>> np.exp(found.coefficients[:-1]).round(6).tolist(), round(found.dispersion, 6)
    ([20.0, 20.0, 20.0, 20.0, 20.0, 10.0, 10.0], 0.0)
    """
    sums = np.bincount(weekday(days), weights=credits, minlength=7)
    weekdays = np.flatnonzero(sums > 0)
    used = np.isin(weekday(days), weekdays)
    y, x = credits[used], design(days[used], weekdays, int(days[-1]))
    beta = np.r_[np.log(sums[weekdays] / np.bincount(weekday(days), minlength=7)[weekdays]), 0.0]
    for _ in range(_MAX_STEPS):
        mu = np.exp(x @ beta)
        step = np.linalg.pinv(x.T * mu @ x, hermitian=True) @ (x.T @ (y - mu))
        beta = beta + step
        if np.abs(step).max() < _CONVERGED:
            break
    mu = np.exp(x @ beta)
    residuals = (y - mu) / np.sqrt(mu)
    freedom = max(len(y) - len(beta), 1)
    dispersion = float((residuals**2).sum() / freedom)
    covariance = dispersion * np.linalg.pinv(x.T * mu @ x, hermitian=True)
    return Fit(weekdays, beta, covariance, dispersion, _inflation(residuals), residuals, freedom)


def predict_days(law: Fit, days: NDArray[np.int64], origin: int, z: float) -> Range:
    """Range of each single day, *z* standard errors to each side."""
    x = design(days, law.weekdays, origin)
    mean = _mean(law, x)
    known = mean**2 * np.einsum("ij,jk,ik->i", x, law.covariance, x)
    return Range(mean, z * np.sqrt(law.dispersion * mean + law.inflation * known))


def predict_total(law: Fit, days: NDArray[np.int64], origin: int, z: float) -> Range:
    """Range of the sum over *days*."""
    x = design(days, law.weekdays, origin)
    mean = _mean(law, x)
    gradient = mean @ x
    variance = law.dispersion * mean.sum() + gradient @ law.covariance @ gradient
    return Range(mean.sum(), z * np.sqrt(law.inflation * variance))


def simulate_sums(
    law: Fit, days: NDArray[np.int64], origin: int, *, paths: int, widening: float
) -> Floats:
    """
    Draw running totals over *days*, one row per path; the same ones at every call.

    Days are drawn from the residuals, coefficients from their own error; the distance from
    the expected path is then stretched as the range of the total is.
    """
    draw = np.random.default_rng(0)
    x = design(days, law.weekdays, origin)
    beta = draw.multivariate_normal(law.coefficients, law.covariance, size=paths, method="eigh")
    mean = np.exp(np.minimum(beta @ x.T, 50.0)) * x[:, :-1].any(axis=1)
    drawn = mean + draw.choice(law.residuals, size=mean.shape) * np.sqrt(mean)
    sums = np.cumsum(np.maximum(drawn, 0.0), axis=1)
    expected = np.cumsum(_mean(law, x))
    stretched = expected + widening * np.sqrt(law.inflation) * (sums - expected)
    return np.maximum.accumulate(np.maximum(stretched, 0.0), axis=1)


def _mean(law: Fit, x: Floats) -> Floats:
    mean: Floats = np.exp(x @ law.coefficients) * x[:, :-1].any(axis=1)
    return mean


def _inflation(residuals: Floats) -> float:
    """Long-run variance over variance, lags up to a week weighted by Bartlett (1950)."""
    square = float(residuals @ residuals)
    if not square > 0:
        return 1.0
    lags = range(1, min(_LAGS, len(residuals) - 1) + 1)
    ratio = 1 + 2 * sum(
        (1 - lag / (_LAGS + 1)) * float(residuals[lag:] @ residuals[:-lag]) / square for lag in lags
    )
    return float(np.clip(ratio, 1.0, _MAX_INFLATION))
