"""The power of sharpness in escape rates: p in ``-log(rate/k^q) = c + a k^-p``, its interval, and which rates count."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from experiments.problems.wells import CLAIMED_POWER, PREFACTOR_POWER
from experiments.referee.laws import FAMILY_WISE_RATE

Array = NDArray[np.float64]
Records = list[dict[str, Any]]

LEAST, MOST = -3.0, 6.0  # of the powers tried
LEVEL = 0.95
PARAMETERS = 3  # of the law: p, a and c
FEWEST = 10  # exits of a point that counts
RELAXATIONS = 5  # relaxation times that the mean exit of an escape takes, at least
REJECTED = 0.01  # p-value below which the exponential law is rejected
EXCLUDED = {"excludes_1": 1.0, "excludes_1/2": 0.5}


@dataclass(frozen=True)
class Power:
    """A fitted power p, with the ends of its interval.

    The ends are inf or -inf where no power that far is excluded, and where there are no more points than parameters.

    Attributes
    ----------
    p, low, high
        Least-squares power and its interval, of 95 % unless said, by the profile of chi-squared, errors widened by the
        misfit if there is one.
    slope, intercept
        a and c.
    misfit
        Chi-squared per degree of freedom, NaN without any.
    """

    p: float
    low: float
    high: float
    slope: float
    intercept: float
    misfit: float

    def excludes(self, p: float) -> bool:
        """Whether p is outside the interval."""
        return not self.low <= p <= self.high

    def curve(self, sharpness: ArrayLike) -> Array:
        """``c + a k^-p``."""
        return np.asarray(self.intercept + self.slope * np.asarray(sharpness, float) ** -self.p)


def scaled(optimizer: str, sharpness: Any, rate: Any, *, raw: bool = False) -> Any:
    """``-log(rate/k)``, of Adam ``-log(rate/sqrt(k))``; raw: ``-log(rate)``."""
    power = 0.0 if raw else PREFACTOR_POWER[optimizer]
    return power * np.log(np.asarray(sharpness, float)) - np.log(np.asarray(rate, float))


def fit_power(sharpness: ArrayLike, minus_log_rate: ArrayLike, error: ArrayLike, *, level: float = LEVEL) -> Power:
    """Fit ``y = c + a k^-p`` by weighted least squares.

    Parameters
    ----------
    sharpness, minus_log_rate, error
        k, y and the standard errors of y, each of shape (n,), n >= 3 with different k. The prefactor's own power of k
        belongs into y: ``-log(rate/k)`` for SGD, Momentum and Adai, ``-log(rate/sqrt(k))`` for Adam.
    level
        Confidence of the interval.

    Raises
    ------
    ValueError
        If there are fewer than three different sharpnesses, or a value is not finite.
    """
    k, y, s = (np.asarray(values, float) for values in (sharpness, minus_log_rate, error))
    if len(np.unique(k)) < PARAMETERS:
        raise ValueError(f"sharpness = {k.tolist()} has fewer than three different values; a power needs three")
    if not (np.all(np.isfinite(y)) and np.all(s > 0) and np.all(k > 0)):
        raise ValueError("rates must be finite and sharpness and errors above 0; leave out points without exits")

    def linear(p: float) -> tuple[float, Array]:
        # (k^-p - 1)/p is regular at p = 0, where it is -log k
        column = np.expm1(-p * np.log(k)) / p if abs(p) > 1e-9 else -np.log(k)
        design = np.stack([np.ones_like(k), column]) / s
        coefficients, *_ = np.linalg.lstsq(design.T, y / s, rcond=None)
        return float(np.sum((coefficients @ design - y / s) ** 2)), coefficients

    def centred(values: Array) -> Array:
        return values - np.average(values, axis=-1, weights=s**-2)[..., None]

    grid = np.linspace(LEAST, MOST, 181)
    power = np.where(abs(grid) > 1e-9, grid, 1e-9)[:, None]
    columns, rest = centred(np.expm1(-power * np.log(k)) / power), centred(y)
    slopes = np.sum(columns * rest / s**2, axis=1) / np.sum(columns**2 / s**2, axis=1)
    start = grid[int(np.argmin(np.sum(((rest - slopes[:, None] * columns) / s) ** 2, axis=1)))]
    best = minimize_scalar(
        lambda p: linear(p)[0], bounds=(start - 0.1, start + 0.1), method="bounded", options={"xatol": 1e-10}
    )
    freedom = len(k) - PARAMETERS
    misfit = float(best.fun / freedom) if freedom else np.nan
    rise = stats.chi2.ppf(level, 1) * max(1.0, 0.0 if np.isnan(misfit) else misfit)

    def above(p: float) -> float:
        return float(linear(p)[0] - best.fun - rise)

    p = float(best.x)
    low = brentq(above, LEAST, p) if freedom and above(LEAST) > 0 else -np.inf
    high = brentq(above, p, MOST) if freedom and above(MOST) > 0 else np.inf
    intercept, scaled = linear(p)[1]
    slope = scaled / p if abs(p) > 1e-9 else np.nan
    return Power(p, low, high, float(slope), float(intercept - slope), misfit)


def why_not(point: dict[str, Any]) -> str:
    """Why a measured or exact rate is not that of an escape, as its row has it; nothing if it is."""
    if "fault" in point:
        return "it was not measured"
    if not point["ends_at_saddle"]:
        return "runs do not leave over a saddle of the expected loss"
    if point.get("events", FEWEST) < FEWEST:
        return f"only {point['events']:.0f} exits, {FEWEST} are needed"
    taken = 1 / point["rate"] / point["relaxation"]
    if not taken > RELAXATIONS:
        return f"the mean exit takes {taken:.2g} relaxation times, an escape more than {RELAXATIONS}"
    p = point.get("exponential_p")
    if p is not None and p < REJECTED:
        return f"exits do not follow the exponential law (p = {p:.1g}, rejected below {REJECTED:g})"
    return ""


def fits(rates: Records) -> Records:
    """The fitted powers of measured series and of exact lines; splitting's go with the ensembles of the same SDE."""
    groups: dict[tuple[Any, ...], Records] = {}
    for row in rates:
        groups.setdefault((row["setting"], row["dimension"], row["optimizer"], row["route"]), []).append(row)
    out = []
    judged_at = 1 - FAMILY_WISE_RATE / max(len(groups), 1)
    for (setting, dimension, optimizer, route), points in groups.items():
        together = groups.get((setting, dimension, optimizer, "sde"), []) if route == "splitting" else []
        fit = {"setting": setting, "dimension": dimension, "optimizer": optimizer, "route": route}
        fit |= {"geometry": points[0]["geometry"], "claimed": CLAIMED_POWER[optimizer]}
        out.append(fit | _fitted(together + points, optimizer, judged_at, exact=route == "exact"))
    return out


def _fitted(series: Records, optimizer: str, judged_at: float, *, exact: bool) -> dict[str, Any]:
    """The power of a series of rates, by those that are escapes; None if they are no more than the law's parameters.

    Besides its interval of 95 % it has one at `judged_at`, as many powers are judged together.
    """
    used = [point for point in series if not point["why_not"]]
    k, rate = (np.array([point[name] for point in used]) for name in ("sharpness", "rate"))
    fit: dict[str, Any] = {"points": len(used), "left_out": len(series) - len(used)}
    if len(np.unique(k)) < PARAMETERS + (not exact):  # exact rates have no error, and their power no interval
        return fit | dict.fromkeys(("p", "low", "high", "judged_low", "judged_high", "raw", *EXCLUDED))
    error = np.array([0.01 if exact else point["events"] ** -0.5 for point in used])  # equal weights for exact rates
    power, raw = (fit_power(k, scaled(optimizer, k, rate, raw=without), error) for without in (False, True))
    fit |= _plain(power, exact) | {"raw": _plain(raw, exact)}
    fit |= {name: None if exact else power.excludes(p) for name, p in EXCLUDED.items()}
    wide = _plain(fit_power(k, scaled(optimizer, k, rate), error, level=judged_at), exact)
    return fit | {f"judged_{end}": wide[end] for end in ("low", "high") if end in wide}


def _plain(power: Power, exact: bool) -> dict[str, float | None]:
    """As JSON has it, with None for an end that is infinite."""
    left_out = ("low", "high", "misfit") if exact else ()
    values = {name: value for name, value in asdict(power).items() if name not in left_out}
    return {name: float(value) if np.isfinite(value) else None for name, value in values.items()}


def interval(power: dict[str, Any]) -> str:
    """A power with its interval, if it has one, in words."""
    return "cannot be told" if power["p"] is None else f"{power['p']:.2f} {limits(power)}".rstrip()


def limits(power: dict[str, Any], which: str = "") -> str:
    """The ends of its interval, or of another one, in words; nothing if it has none."""
    low, high = ends(power, which)
    return f"[{low:.2f}, {high:.2f}]" if "low" in power else ""


def ends(power: dict[str, Any], which: str = "", least: float = -np.inf, most: float = np.inf) -> tuple[float, float]:
    """The ends of its interval, `least` and `most` where it has none; of an exact power the power itself."""
    low, high = (power.get(f"{which}{end}", power["p"]) for end in ("low", "high"))
    return least if low is None else low, most if high is None else high
