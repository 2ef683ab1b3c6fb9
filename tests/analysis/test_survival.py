"""The estimators against scipy, statsmodels and lifelines, and what must hold of any data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from statsmodels.duration import survfunc

from hooked_analytics.analysis.survival import (
    Ends,
    aalen_johansen,
    count_ends,
    kaplan_meier,
    quantile,
    share_at,
)

RUNNING, COMPLETED, FAILED = 0, 1, 2
Z = 1.959963984540054

# Made once with lifelines 0.30.3, which pins pandas below 3 and so is in no environment here:
# AalenJohansenFitter(calculate_variance=True).fit(SECONDS, KINDS, event_of_interest=1)
SECONDS = [
    112, 35, 133, 28, 105, 91, 77, 7, 140, 126, 63, 56, 14, 161, 98, 49, 119, 42, 168, 147, 21,
    154, 70, 84,
]  # fmt: skip
KINDS = [1, 2, 0, 0, 1, 0, 0, 1, 1, 2, 1, 1, 1, 0, 0, 0, 1, 0, 1, 0, 2, 0, 0, 2]
LIFELINES = {  # seconds: (share completed, variance)
    7: (0.041666666666666664, 0.0016637731481481482),
    14: (0.08333333333333331, 0.0031828703703703698),
    56: (0.13223039215686272, 0.005114110913282314),
    63: (0.18112745098039212, 0.006805113635828222),
    105: (0.24883107088989437, 0.009899759186476755),
    112: (0.3165346907993966, 0.01228701152320142),
    119: (0.3842383107088988, 0.01396687064600222),
    140: (0.46548265460030147, 0.015929028339562938),
}


def ends_of(seconds, kinds) -> Ends:
    kinds = np.asarray(kinds)
    return count_ends(
        seconds, completed=kinds == COMPLETED, failed=kinds == FAILED, running=kinds == RUNNING
    )


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(15))
def test_curves_bands_and_quantiles_equal_those_of_scipy_and_statsmodels(seed, ties):
    draw = np.random.default_rng(seed)
    size = draw.integers(2, 150)
    seconds = draw.lognormal(5, 0.8, size).round(-2 if ties else 6)
    kinds = draw.choice([RUNNING, COMPLETED, FAILED], size, p=[0.3, 0.5, 0.2])
    ends = ends_of(seconds, kinds)
    curve, completed = kaplan_meier(ends), aalen_johansen(ends)

    theirs = stats.ecdf(stats.CensoredData.right_censored(seconds, kinds == RUNNING)).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns where a band does not exist
        band = theirs.confidence_interval(method="log-log")
    at = np.isin(curve.seconds, theirs.quantiles)
    np.testing.assert_allclose(curve.share[at], theirs.probabilities, atol=1e-12)
    np.testing.assert_allclose(curve.low[at], band.low.probabilities, atol=1e-10)
    np.testing.assert_allclose(curve.high[at], band.high.probabilities, atol=1e-10)

    left = survfunc.SurvfuncRight(seconds, (kinds != RUNNING).astype(int))
    for p in (0.5, 0.9):
        with np.errstate(all="ignore"):
            low, high = left.quantile_ci(p)
        ours = quantile(curve, p)
        if np.isfinite(low):  # it gives nothing at all where no band covers the level
            assert ours.low == low
            # no band where nothing is left: they bound by that time, we by nothing
            unbounded = np.isinf(high) or left.surv_prob[left.surv_times == high][0] < 1e-9
            assert np.isnan(ours.high) if unbounded else ours.high == high
    with np.errstate(all="ignore"):
        incidence = survfunc.CumIncidenceRight(seconds, kinds)
    np.testing.assert_allclose(completed.share, incidence.cinc[0], atol=1e-12)
    _assert_band(completed, incidence.cinc[0], incidence.cinc_se[0])


def test_aalen_johansen_equals_lifelines():
    ends = ends_of(SECONDS, KINDS)
    share, variance = np.array(list(LIFELINES.values())).T
    found = share_at(aalen_johansen(ends), ends, list(LIFELINES))
    np.testing.assert_allclose(found.share, share, atol=1e-15)
    _assert_band(found, share, np.sqrt(variance))


def _assert_band(ours, share, error) -> None:
    """The interval of log(-log(1 - share)), written out once more."""
    with np.errstate(all="ignore"):
        spread = error / ((1 - share) * -np.log(1 - share))
        low, high = (1 - (1 - share) ** np.exp(sign * Z * spread) for sign in (-1, 1))
    # theirs is 0 times endless where the last render ends, ours knows that to be 0
    there = np.isfinite(error)
    assert there[:-1].all()
    there &= (share > 1e-9) & (share < 1 - 1e-9)
    np.testing.assert_allclose(ours.low[there], low[there], atol=1e-9)
    np.testing.assert_allclose(ours.high[there], high[there], atol=1e-9)


def test_a_render_running_when_another_ends_is_still_there_and_all_running_are_never_over():
    assert kaplan_meier(ends_of([5, 5], [COMPLETED, RUNNING])).share.tolist() == [0.5]
    curve = kaplan_meier(ends_of([5, 9], [RUNNING, RUNNING]))
    assert curve.share.tolist() == [1, 1]
    assert np.isnan([*curve.low, *curve.high, *quantile(curve, 0.5)]).all()


def test_nothing_gives_nothing_and_missing_and_negative_times_are_not_used():
    ends = ends_of([], [])
    assert np.isnan(quantile(kaplan_meier(ends), 0.5)).all()
    assert np.isnan(share_at(aalen_johansen(ends), ends, [1.0]).share).all()
    assert ends_of([np.nan, -1, 3], [COMPLETED] * 3).seconds.tolist() == [3]


renders = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from([RUNNING, COMPLETED, FAILED])),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40)
@given(renders, st.randoms(), st.sampled_from([60, 0.001, 1024]), st.integers(2, 5))
def test_order_and_unit_change_nothing_and_rows_repeated_narrow_the_band(rows, random, unit, times):
    seconds, kinds = map(np.array, zip(*rows, strict=True))
    for estimate in (kaplan_meier, aalen_johansen):
        one = estimate(ends_of(seconds, kinds))
        shuffled = zip(*random.sample(rows, len(rows)), strict=True)
        np.testing.assert_array_equal(one, estimate(ends_of(*shuffled)))
        scaled = estimate(ends_of(seconds * unit, kinds))
        np.testing.assert_array_equal(one.share, scaled.share)
        np.testing.assert_allclose(scaled.seconds, one.seconds * unit)
        more = estimate(ends_of(np.tile(seconds, times), np.tile(kinds, times)))
        np.testing.assert_allclose(one.share, more.share, atol=1e-12)
        there = np.isfinite(one.low)
        assert (more.low[there] >= one.low[there] - 1e-12).all()
        assert (more.high[there] <= one.high[there] + 1e-12).all()


@settings(max_examples=40)
@given(renders)
def test_curves_stay_in_bounds_and_what_ends_and_what_is_left_make_one(rows):
    seconds, kinds = map(np.array, zip(*rows, strict=True))
    left, completed = (estimate(ends_of(seconds, kinds)) for estimate in
                       (kaplan_meier, aalen_johansen))  # fmt: skip
    failed = aalen_johansen(ends_of(seconds, np.array([RUNNING, FAILED, COMPLETED])[kinds]))
    assert (np.diff(left.share) <= 0).all()
    assert (np.diff(completed.share) >= 0).all()
    np.testing.assert_allclose(left.share + completed.share + failed.share, 1, atol=1e-12)
    for curve in (left, completed):
        there = np.isfinite(curve.low)
        assert (curve.low[there] >= 0).all()
        assert (curve.high[there] <= 1).all()
        rising = np.array([curve.low, curve.share, curve.high])[:, there]
        assert (np.diff(rising, axis=0) >= -1e-12).all()
    ends = ends_of(seconds, np.minimum(kinds, COMPLETED))
    left, completed = kaplan_meier(ends), aalen_johansen(ends)
    np.testing.assert_allclose(1 - left.share, completed.share, atol=1e-12)
    np.testing.assert_allclose(1 - left.high, completed.low, atol=1e-9)
