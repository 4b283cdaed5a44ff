"""From values to pixels, and the round values that axes name."""

from typing import Any

import numpy as np


def scale(ends: tuple[float, float], log: bool) -> tuple[float, float]:
    """The ends of an axis, or their logarithms, apart."""
    low, high = (float(np.log10(end)) if log else float(end) for end in ends)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def place(value: Any, ends: tuple[float, float], log: bool) -> Any:
    """Place on the axis, 0 to 1 inside."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        v = np.log10(value) if log else np.asarray(value, np.float64)
        return (v - ends[0]) / (ends[1] - ends[0])


def ticks(ends: tuple[float, float], log: bool, most: float) -> list[tuple[float, str]]:
    """Round values between the ends, with their names."""
    if log:
        low, high = np.log10(ends[0]) - 1e-9, np.log10(ends[1]) + 1e-9
        heads = (1, 2, 5) if high - low < 2 else (1,)
        values = [m * 10.0**k for k in range(int(low) - 1, int(high) + 2) for m in heads]
        values = [v for v in values if low <= np.log10(v) <= high]
        values = values[:: max(1, int(np.ceil(len(values) / max(most, 2))))]
        return [(v, number(v, raised=min(values) < 1e-3 or max(values) >= 1e5)) for v in values]
    rough = (ends[1] - ends[0]) / max(most, 2)
    unit = 10 ** np.floor(np.log10(rough))
    step = unit * next(m for m in (1, 2, 2.5, 5, 10) if m * unit >= rough * (1 - 1e-9))
    places = np.arange(np.ceil(ends[0] / step - 1e-9), np.floor(ends[1] / step + 1e-9) + 1)
    return [(float(v), number(float(v))) for v in places * step + 0.0]  # + 0.0: no minus before 0


def number(value: float, *, raised: bool = False) -> str:
    """A number for readers: three digits; powers of ten raised, for large and small ones or if told so."""
    if not np.isfinite(value):
        return str(value)
    if value == 0 or (1e-3 <= abs(value) < 1e5 and not raised):
        return (f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}").replace("-", "−")
    digits, power = f"{value:.2e}".split("e")
    digits = digits.rstrip("0").rstrip(".")
    tens = "10" + str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return (tens if digits == "1" else f"{digits}·{tens}").replace("-", "−")
