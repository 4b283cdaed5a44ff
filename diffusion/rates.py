"""From exit times to an escape rate, its interval, and a test of the exponential law behind both."""

import json
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.variables import describe

if TYPE_CHECKING:
    import xarray

FEW = 10  # exits; a rate from fewer comes with a warning
TEST_RATE, TEST_POWER = 0.01, 0.9  # at which the detectable departure from the exponential law is stated
PLACES = (np.arange(4000) + 0.5) / 4000  # on the clock of total time at risk, scaled to 1


def escape_rate(exit_times: "xarray.Dataset", *, burn_in: float = 0.0, level: float = 0.95) -> "xarray.Dataset":
    """Escape rate per iteration from the exits of an ensemble, runs that did not exit counted.

    Parameters
    ----------
    exit_times
        Result of `diffusion.exit_times`.
    burn_in
        Iterations that an ensemble needs to settle in its valley: exits before do not count, nor does the time.
    level
        Confidence of the interval, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Scalars. ``rate`` is ``events`` over ``time_at_risk``, with the interval ``rate_low`` to ``rate_high``: under the exponential
        law 2 rate time_at_risk is chi-squared with 2 events degrees of freedom (2 events + 2 for the upper end if runs were censored at
        the horizon). ``rate_paper`` is the paper's (n-2)/sum tau with its interval rate (1 +- 1.96/sqrt(n)), NaN if a run was
        censored, as it is not defined then. ``exponential_p`` tests the exponential law by the cumulative total time on test (Barlow et al. 1972):
        it rejects where the rate rises (no burn-in) or falls (several wells) in time, and ``exponential_detectable`` is the departure of a
        Weibull law's shape from 1 that it rejects at a rate of 1 % with a power of 90 %. ``early`` counts exits during burn-in, ``censored``
        and ``diverged`` runs.

    Raises
    ------
    ValueError
        If exit_times is something else, level is outside (0, 1), or nothing is left after burn_in.

    Warns
    -----
    RuntimeWarning
        If there are fewer than 10 exits, or replicas diverged and were left out; the message carries the estimate.
    """
    import xarray

    missing = {"exit_iteration", "exited", "diverged"} - set(exit_times.variables)
    if missing:
        raise ValueError(f"exit_times has no {', '.join(sorted(missing))}; give the result of diffusion.exit_times")
    checks.not_negative("burn_in", burn_in)
    if not 0 < level < 1:
        raise ValueError(f"level = {level!r} must lie between 0 and 1; 0.95 is usual")
    parameters = json.loads(exit_times.attrs["parameters"])
    horizon = parameters["max_iterations"]
    if burn_in >= horizon:
        raise ValueError(f"burn_in = {burn_in:g} leaves nothing of max_iterations = {horizon}; use a shorter burn_in")

    exited, diverged = exit_times["exited"].values, exit_times["diverged"].values
    time = exit_times["exit_iteration"].values
    late = np.sort(time[exited & (time > burn_in)]) - burn_in if exited.any() else np.empty(0)
    events, lost = len(late), int(diverged.sum())
    censored = len(exited) - int(exited.sum()) - lost
    if lost == len(exited):
        raise ValueError(f"all {lost} replicas diverged; lower the learning rate or move the boundary closer")
    if events + censored == 0:
        raise ValueError(f"all replicas were out before burn_in = {burn_in:g}; use a shorter one, or a higher barrier")
    at_risk = float(late.sum() + censored * (horizon - burn_in))
    rate, (low, high) = events / at_risk, _interval(events, at_risk, censored, level)
    paper = (events - 2) / at_risk if events > 2 and not censored else np.nan
    spread = 1.96 / np.sqrt(events) if events else np.nan
    p, detectable = exponential_test(late, censored, horizon - burn_in)
    _warn(events, rate, high, lost, censored, horizon)
    values = {
        "rate": rate, "rate_low": low, "rate_high": high, "events": events, "censored": censored, "diverged": lost,
        "early": int(exited.sum()) - events, "time_at_risk": at_risk, "rate_paper": paper,
        "rate_paper_low": paper * (1 - spread), "rate_paper_high": paper * (1 + spread), "exponential_p": p,
        "exponential_detectable": detectable,
    }  # fmt: skip
    parameters |= {"burn_in": burn_in, "level": level}
    return describe(xarray.Dataset({name: ((), value) for name, value in values.items()}), parameters)


def _interval(events: int, at_risk: float, censored: int, level: float) -> tuple[float, float]:
    from scipy import stats  # slow to import, as below

    tail = (1 - level) / 2
    low = stats.chi2.ppf(tail, 2 * events) / 2 / at_risk if events else 0.0
    more = 2 if censored else 0
    return float(low), float(stats.chi2.isf(tail, 2 * events + more) / 2 / at_risk)


def exponential_test(times: NDArray[np.float64], censored: int, horizon: float) -> tuple[float, float]:
    """Test that exits have a constant rate: p-value, and the detectable departure of a Weibull shape from 1.

    On the clock of the total time spent at risk, exits at a constant rate are scattered uniformly; their mean place is normal with
    variance 1/(12 n) to far below 1 % for n >= 10. Without censoring the last exit ends the clock and n counts the others.

    Parameters
    ----------
    times
        Exit times, ascending, shape (events,).
    censored
        Runs still inside at `horizon`.
    """
    from scipy import stats

    n = len(times) if censored else len(times) - 1
    if n < 2:
        return np.nan, np.nan
    waits = np.diff(times, prepend=0.0)
    total = np.cumsum(waits * (len(times) + censored - np.arange(len(times))))
    end = total[-1] + censored * (horizon - times[-1])
    z = (float(np.mean(total[:n])) / end - 0.5) * np.sqrt(12 * n)
    needed = stats.norm.isf(TEST_RATE / 2) + stats.norm.ppf(TEST_POWER)
    # a Weibull hazard of shape k is 1 + (k - 1)(1 + log t) times the exponential's, at time t when the share exited is 1 - e^-t
    share = len(times) / (len(times) + censored)
    shift = float(np.mean((PLACES - 0.5) * np.log(-np.log1p(-share * PLACES))))
    return float(2 * stats.norm.sf(abs(z))), float(needed / np.sqrt(12 * n) / shift)


def _warn(events: int, rate: float, high: float, lost: int, censored: int, horizon: int) -> None:
    texts = []
    if events == 0:
        texts.append(
            f"none of {censored} runs left within {horizon} iterations: the rate is below {high:.3g} per iteration; run longer, "
            "or use diffusion.fokker_planck for one coordinate"
        )
    elif events < FEW:
        texts.append(
            f"only {events} exits: the rate, {rate:.3g} per iteration, may be anything up to {high:.3g}; run longer or more"
        )
    if lost:
        texts.append(
            f"{lost} replicas diverged and were left out: the rate, {rate:.3g} per iteration, is that of the others"
        )
    if texts:
        warnings.warn("; ".join(texts), RuntimeWarning, stacklevel=3)
