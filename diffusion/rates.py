"""From exit times to an escape rate, its interval, and a test of the exponential law behind both."""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffusion import checks
from diffusion.observations import observed
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
        Result of `diffusion.exit_times` or `diffusion.exit_times_torch`; also several of the same problem joined by
        ``xarray.concat(results, "replica")``, of whatever horizons and seeds (each its own), or a selection of
        replicas.
    burn_in
        Iterations that an ensemble needs to settle in its valley: exits before do not count, nor does the time.
    level
        Confidence of the interval, in (0, 1).

    Returns
    -------
    xarray.Dataset
        Scalars. ``rate`` is ``events`` over ``time_at_risk``, with the interval ``rate_low`` to ``rate_high``: under
        the exponential law 2 rate time_at_risk is chi-squared with 2 events degrees of freedom (2 events + 2 for the
        upper end if runs were censored at the horizon). ``rate_paper`` is the paper's (n-2)/sum tau with its interval
        rate (1 +- 1.96/sqrt(n)), NaN if a run was censored, as it is not defined then. ``exponential_p`` tests the
        exponential law by the cumulative total time on test (Barlow et al. 1972): it rejects where the rate rises (no
        burn-in) or falls (several wells) in time, and ``exponential_detectable`` is the departure of a Weibull law's
        shape from 1 that it rejects at a rate of 1 % with a power of 90 %. ``early`` counts exits during burn-in,
        ``censored`` and ``diverged`` runs. With several coordinates ``events_by_coordinate`` is on coordinate, if the
        record tells how many there are. Of joined and selected exits the record has what all of them share.

    Raises
    ------
    ValueError
        If exit_times is something else, contradicts itself, lacks a horizon, or joins different problems; if level is
        outside (0, 1), or nothing is left after burn_in.

    Warns
    -----
    RuntimeWarning
        If there are fewer than 10 exits, or replicas were left out, as they diverged or were censored before burn_in;
        the message carries the estimate. If runs of the same seed were joined.
    """
    import xarray

    burn_in = checks.plain(burn_in)
    checks.not_negative("burn_in", burn_in)
    level = checks.confidence(level)
    seen = observed(exit_times)
    longest = seen.horizon.max()
    if burn_in >= longest:
        raise ValueError(
            f"burn_in = {burn_in:g} leaves nothing of max_iterations = {longest:.0f}; use a shorter burn_in"
        )

    lost, stayed = int(seen.diverged.sum()), ~seen.exited & ~seen.diverged
    if lost == len(seen.time):
        raise ValueError(f"all {lost} replicas diverged; lower the learning rate or move the boundary closer")
    counted = (seen.exited | stayed) & (seen.time > burn_in)
    late = seen.exited & counted
    events, censored, unseen = int(late.sum()), int((stayed & counted).sum()), int((stayed & ~counted).sum())
    if not counted.any():
        raise ValueError(f"all replicas were out before burn_in = {burn_in:g}; use a shorter one, or a higher barrier")
    time = seen.time[counted] - burn_in
    at_risk = float(time.sum())
    rate, (low, high) = events / at_risk, _interval(events, at_risk, censored, level)
    paper = (events - 2) / at_risk if events > 2 and not censored else np.nan
    spread = 1.96 / np.sqrt(events) if events else np.nan
    p, detectable = exponential_test(time, late[counted], seen.horizon[counted] - burn_in)
    _warn(events, rate, high, lost, censored, unseen, seen.repeated, seen.horizon[counted], burn_in)
    values = {
        "rate": rate,
        "rate_low": low,
        "rate_high": high,
        "events": events,
        "censored": censored,
        "diverged": lost,
        "early": int(seen.exited.sum()) - events,
        "time_at_risk": at_risk,
        "rate_paper": paper,
        "rate_paper_low": paper * (1 - spread),
        "rate_paper_high": paper * (1 + spread),
        "exponential_p": p,
        "exponential_detectable": detectable,
    }
    data: dict[str, Any] = {name: ((), value) for name, value in values.items()}
    coords = {}
    start = seen.record.get("start")
    if isinstance(start, list) and (dimension := len(start)) > 1:
        data["events_by_coordinate"] = (
            "coordinate",
            np.bincount(seen.coordinate[late] + 1, minlength=dimension + 1)[1:],
        )
        coords["coordinate"] = np.arange(dimension)
    return describe(xarray.Dataset(data, coords), seen.record | {"burn_in": burn_in, "level": level})


def mean_stay(rate: float, horizon: float) -> float:
    """Mean number of iterations until an exit at a constant rate, or the horizon if that comes first."""
    return float(-np.expm1(-rate * horizon) / rate) if rate > 0 else float(horizon)


def _interval(events: int, at_risk: float, censored: int, level: float) -> tuple[float, float]:
    from scipy import stats  # slow to import, as below

    tail = (1 - level) / 2
    low = stats.chi2.ppf(tail, 2 * events) / 2 / at_risk if events else 0.0
    more = 2 if censored else 0
    return float(low), float(stats.chi2.isf(tail, 2 * events + more) / 2 / at_risk)


def exponential_test(
    times: NDArray[np.float64], exited: NDArray[np.bool_], horizon: NDArray[np.float64]
) -> tuple[float, float]:
    """Test that exits have a constant rate: p-value, and the detectable departure of a Weibull shape from 1.

    On the clock of the total time that all runs together have spent at risk, exits at a constant rate are scattered
    uniformly, whenever runs were censored; their mean place is normal with variance 1/(12 n) to far below 1 % for n >=
    10. If the run that lasted longest left, it ends the clock, and n counts the others.

    Parameters
    ----------
    times, exited
        How long each run was at risk, and whether it then left; shape (runs,).
    horizon
        After how long it was to be censored; shape (runs,).
    """
    from scipy import stats

    order = np.lexsort((~exited, times))  # who left and who was censored at the same time: the first was still at risk
    times, exited = times[order], exited[order]
    total = np.cumsum(np.diff(times, prepend=0.0) * np.arange(len(times), 0, -1))
    places = total[exited] / total[-1]
    if exited[-1]:
        places = places[:-1]
    n = len(places)
    if n < 2:
        return np.nan, np.nan
    z = (float(np.mean(places)) - 0.5) * np.sqrt(12 * n)
    needed = stats.norm.isf(TEST_RATE / 2) + stats.norm.ppf(TEST_POWER)
    # a Weibull hazard of shape k is 1 + (k - 1)(1 + log t) times the exponential's; until time t a share 1 - e^-t of
    # the runs has left, and the clock stands at the sum of that over all runs, each up to its horizon
    gone = -np.expm1(-np.sort(horizon) * exited.sum() / times.sum())
    clock = np.cumsum(np.diff(gone, prepend=0.0) * np.arange(len(gone), 0, -1))
    share = np.interp(PLACES * clock[-1], np.append(0.0, clock), np.append(0.0, gone))
    shift = float(np.mean((PLACES - 0.5) * np.log(-np.log1p(-share))))
    return float(2 * stats.norm.sf(abs(z))), float(needed / np.sqrt(12 * n) / shift)


def _warn(
    events: int,
    rate: float,
    high: float,
    lost: int,
    censored: int,
    unseen: int,
    repeated: int,
    horizon: NDArray[np.float64],
    burn_in: float,
) -> None:
    texts = []
    if events == 0:
        within = " to ".join(f"{end:.0f}" for end in np.unique([horizon.min(), horizon.max()]))
        texts.append(
            f"none of {censored} runs left within {within} iterations: the rate is below {high:.3g} per iteration; "
            "run longer, or use diffusion.rare_escape_rate, or of one coordinate diffusion.fokker_planck"
        )
    elif events < FEW:
        texts.append(
            f"only {events} exits: the rate, {rate:.3g} per iteration, may be anything up to {high:.3g}; run longer or "
            "more"
        )
    if lost:
        texts.append(
            f"{lost} replicas diverged and were left out: the rate, {rate:.3g} per iteration, is that of the others"
        )
    if unseen:
        texts.append(
            f"{unseen} replicas that had not left were censored before burn_in = {burn_in:g}, and count for nothing"
        )
    if repeated:
        texts.append(
            f"{repeated} of the replicas are there twice, with one seed and the same random numbers: the interval "
            "takes them for others; join runs of different seeds"
        )
    if texts:
        warnings.warn("; ".join(texts), RuntimeWarning, stacklevel=3)
