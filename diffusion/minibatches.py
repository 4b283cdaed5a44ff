"""Real minibatches: the gradients of sampled data themselves, in place of a model of their noise."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.callables import described, formula
from diffusion.landscapes import Landscape
from diffusion.noise import Deviation, NoiseModel, refuse_other_laws

FALSE_ALARM = 1e-6  # of comparing gradients with the landscape's, over all places together, and again of their changes
ROUNDING = 1e-9  # of gradients, relative
SHARES = (
    -1.0,
    -0.5,
    -0.1,
    0.1,
    0.5,
    1.0,
)  # of the way to the saddle, from the reference point: places of the comparison
MOST_DIRECTIONS = 16  # of a coupled landscape

Array = NDArray[np.float64]


class Minibatches(NoiseModel):
    """Minibatches of finite data: an iteration steps on the mean of its samples' gradients, no model of their noise.

    The data's mean gradient is what drives a run. A landscape that is given beside it says where the run starts, which
    directions and what stability it has and what is left; its gradient may be that of a larger population of which the
    data are a sample. Discrete optimizers alone can be run so, in `simulate`, `exit_times`, and on the same minibatches
    in `simulate_torch` and `exit_times_torch`.

    Parameters
    ----------
    data
        N samples, shape (N,) or (N, m), at most 2^24.
    gradient
        Gradient of one sample's loss, ``gradient(theta, sample, *parameters)``, in plain arithmetic, which numba
        compiles and which NumPy and torch also call with arrays. For losses that are a sum over coordinates theta is
        the position along one of them, and sample a number: of data of shape (N, d) the entry for that coordinate. In
        one coordinate sample may have any m entries, ``sample[k]``. On a coupled landscape theta has all coordinates,
        ``theta[j]``, sample all entries (a number if there is one), and a tuple of d is returned.
    batch_size
        Samples in a minibatch, B.
    replacement
        True: drawn anew for each replica and iteration. False: each replica goes through all samples in a new order
        every epoch and leaves out those at its end that fill no minibatch, as
        ``torch.utils.data.DataLoader(shuffle=True, drop_last=True)``.
    parameters
        Numbers handed to the gradient after the sample. A sweep over them compiles once.

    Raises
    ------
    ValueError
        If data, gradient or batch_size are none, or do not go with each other; when it is used, if the gradient does
        not compile, or its mean over the data is not the landscape's gradient: at the reference point, the start and
        places around them, as far as the next saddle if the landscape tells one, the difference is not to be explained
        by the data being a random sample (Student's t of the N gradients, and of how much each changes from the
        reference point on, at a false-positive rate of 2e-6 in all). This finds errors above about five standard
        errors; where samples differ in a constant alone, as ``theta - x`` does, all others but that of the constant,
        however few the samples.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import SGD, Minibatches, QuadraticSaddle, simulate
    >>> data = np.random.default_rng(0).normal(size=1000)
    >>> batches = Minibatches(data - data.mean(), lambda theta, x: theta - x, batch_size=10, replacement=False)
    >>> found = simulate(SGD(0.1), QuadraticSaddle([1.0]), noise=batches, iterations=100, replicas=1000)
    >>> found.sizes["direction"]
    1
    """

    of_data = True

    def __init__(
        self,
        data: ArrayLike,
        gradient: Callable[..., Any],
        batch_size: int,
        replacement: bool = True,
        *,
        parameters: ArrayLike = (),
    ) -> None:
        try:
            given = np.asarray(data)
            samples = given.astype(np.float64, casting="unsafe" if given.dtype == object else "same_kind")
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"data must be finite numbers, an array of shape (N,) or (N, m): {error}") from error
        if samples.ndim not in (1, 2) or samples.size == 0 or not np.isfinite(samples).all():
            raise ValueError(
                f"data of shape {samples.shape} must be finite numbers, N samples of shape (N,) or (N, m), with N and "
                "m at least 1"
            )
        from diffusion.kernels.samples import MOST

        if len(samples) > MOST:
            raise ValueError(f"data has {len(samples)} samples; give at most {MOST}")
        if not callable(gradient):
            raise ValueError(f"gradient = {gradient!r} must be a function of (theta, sample)")
        if not isinstance(replacement, bool | np.bool_):
            raise ValueError(f"replacement = {replacement!r} must be True or False")
        self.batch_size = checks.whole("batch_size", batch_size, most=2**24)
        self.replacement, self.gradient = bool(replacement), gradient
        if not replacement and self.batch_size > len(samples):
            raise ValueError(
                f"batch_size = {batch_size} is more than the {len(samples)} samples; lower it, or use replacement=True"
            )
        self.parameters = checks.numbers("parameters", parameters)
        self.data = np.ascontiguousarray(samples.reshape(len(samples), -1))
        self.data.flags.writeable = False
        self.sizes = _sizes(len(samples))

    @property
    def batches(self) -> int:
        """Minibatches in an epoch."""
        return len(self.data) // self.batch_size

    @property
    def share(self) -> float:
        """What the covariance of a minibatch's gradient is of that of one sample's."""
        count = len(self.data)
        return (1.0 if self.replacement else (count - self.batch_size) / max(count - 1, 1)) / self.batch_size

    def variance_along(self, landscape: Landscape) -> Array:
        """Variance of one minibatch gradient at the reference point, along the landscape's basis, shape (d,)."""
        each = self.sample_gradients(landscape, landscape.reference)
        return np.asarray(np.var(each @ landscape.basis, axis=0) * self.share)

    def variance_on(self, landscape: Landscape) -> Callable[[Array], Array]:
        """Variance of one minibatch gradient in each coordinate, a function of positions of shape (..., d)."""

        def variance(position: Array) -> Array:
            places = position.reshape(-1, landscape.dimension)
            each = [self.sample_gradients(landscape, place).var(axis=0) for place in places]
            return np.reshape(each, position.shape) * self.share

        return variance

    def deviation(self, landscape: Landscape) -> Deviation:
        """Refused: there is none."""
        refuse_other_laws(self, "this")
        return super().deviation(landscape)

    def mixing(self, landscape: Landscape) -> Array:
        """Refused likewise."""
        refuse_other_laws(self, "this")
        return super().mixing(landscape)

    def sample_gradients(self, landscape: Landscape, theta: ArrayLike) -> Array:
        """Gradients of all samples at one position, shape (N, d)."""
        place = np.asarray(theta, np.float64)[None]
        try:
            each = self.gradients(landscape, place, self.data[None])
            return np.stack(
                [np.broadcast_to(np.asarray(one, np.float64), (1, len(self.data)))[0] for one in each], axis=1
            )
        except _ShapeError:
            raise
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(
                f"gradient = {_name(self.gradient)} cannot be called with arrays, theta of shape (1, 1) and samples of "
                f"shape (1, {len(self.data)}): {error}; write it in plain arithmetic, with (x > 0) * a in place of if "
                "and numpy's functions in place of math's"
            ) from error

    def gradients(self, landscape: Landscape, theta: Any, drawn: Any) -> Sequence[Any]:
        """Gradients along each coordinate, of samples of their own for each row: NumPy's or torch's arrays.

        Parameters
        ----------
        landscape
            Which says what the gradient takes.
        theta
            Positions, shape (rows, d).
        drawn
            Samples, shape (rows, n, m).

        Returns
        -------
        sequence of arrays
            d of them, which broadcast to (rows, n).
        """
        d, columns = landscape.dimension, [drawn[..., k] for k in range(drawn.shape[-1])]
        places = [theta[:, j, None] for j in range(d)]
        sample = columns[0] if len(columns) == 1 else tuple(columns)
        if landscape.formulas.coupled:
            return self._of_all(landscape, self.gradient(tuple(places), sample, *self.parameters))
        if len(columns) == d:
            return [self.gradient(*pair, *self.parameters) for pair in zip(places, columns, strict=True)]
        if d > 1 and len(columns) > 1:
            raise _ShapeError(
                f"data has {len(columns)} entries a sample, and {type(landscape).__name__} {d} independent "
                f"coordinates; give data of shape (N,) or (N, {d}), or a CoupledLandscape, whose gradient takes all "
                "coordinates and entries together"
            )
        return [self.gradient(place, sample, *self.parameters) for place in places]

    def _of_all(self, landscape: Landscape, found: Any) -> Sequence[Any]:
        if not isinstance(found, tuple) or len(found) != landscape.dimension:
            raise _ShapeError(
                f"gradient = {_name(self.gradient)} must return a tuple of {landscape.dimension}, one for each "
                f"coordinate of {type(landscape).__name__}"
            )
        return found

    def specialisation(self, landscape: Landscape) -> dict[str, Any]:
        """What the kernels are specialised with; refused if the gradient does not compile."""
        d, entries = landscape.dimension, self.data.shape[1]
        numbers = "".join(f", parameters[{k}]" for k in range(len(self.parameters)))
        every = f"({', '.join(f'data[i, {k}]' for k in range(entries))},)" if entries > 1 else "data[i, 0]"
        coupled, own = landscape.formulas.coupled, d == entries > 1
        theta: Any = tuple(landscape.reference.tolist()) if coupled else float(landscape.reference[0])
        row = self.data[0].tolist()
        sample: Any = row[0] if entries == 1 or (own and not coupled) else tuple(row)
        function = checks.compiled(
            "gradient(theta, sample, *parameters)", self.gradient, theta, sample, *self.parameters
        )
        if coupled:
            place = f"({', '.join(f'x[{j}, lane]' for j in range(d))},)"
            floats = formula(f"lambda found: ({', '.join(f'1.0 * found[{j}]' for j in range(d))},)", float)
            text = f"lambda x, lane, data, i, parameters: function_1(function_0({place}, {every}{numbers}))"
            called = formula(text, function, floats)
        else:
            text = (
                "lambda theta, data, i, column, parameters: function(theta, "
                f"{'data[i, column]' if own else every}{numbers})"
            )
            called = formula(text, function)
        return {
            "SAMPLED": True,
            "sampled": called,
            "ALL_AT_ONCE": coupled,
            "OWN_COLUMNS": own,
            "choose_samples": self._choose(),
        }

    def _choose(self) -> Any:
        from diffusion.kernels import samples

        if self.replacement:
            return samples.choose_anew
        return next(choose for most, choose in samples.IN_ORDER.items() if len(self.data) <= most)

    def drawing(self, width: int) -> tuple[Any, ...]:
        """Scratch and numbers for the kernels, for as many lanes."""
        from diffusion.kernels.samples import TOGETHER

        index, order = (np.zeros((TOGETHER, width), np.uint32) for _ in range(2))
        return index, order, self.sizes, np.uint64(self.batch_size), self.data, self.parameters

    def drawn(self, seed: int, replicas: ArrayLike, iteration: int) -> NDArray[np.int64]:
        """Which samples replicas draw in an iteration, from 1, as in the kernels; shape (replicas, batch_size)."""
        from diffusion.kernels.samples import TOGETHER

        rows = np.atleast_1d(np.asarray(replicas, np.uint64))
        choose = self._choose()
        index, order, sizes, size, _, _ = self.drawing(len(rows))
        found = np.empty((len(rows), self.batch_size), np.int64)
        for first in range(0, self.batch_size, TOGETHER):
            choose(index, order, sizes, size, np.uint64(seed), rows, np.uint64(iteration), first, len(rows))
            found[:, first : first + TOGETHER] = index[: self.batch_size - first].T
        return found

    def check(self, landscape: Landscape, origin: Array) -> None:
        """Refuse data whose mean gradient is not the landscape's, at the start `origin` and around the reference point.

        Raises
        ------
        ValueError
            If it is farther away than a random sample of as many would be.
        """
        from scipy import special

        places = _places(landscape, origin)
        free = max(len(self.data) - 1, 1)
        bound = special.stdtrit(free, 1 - FALSE_ALARM / (2 * places.size))
        first: list[Array] = []
        for place in places:
            each, true = self.sample_gradients(landscape, place), landscape.gradient(place)
            if not np.isfinite(each).all():
                raise ValueError(
                    f"gradient = {_name(self.gradient)} is not finite of all samples at theta = {place.tolist()}"
                )
            first = first or [each, true]
            size = np.abs(true) + np.abs(each).max(axis=0) + np.abs(first[1]) + np.abs(first[0]).max(axis=0)
            at = f"at theta = {place.tolist()}"
            since = f"from theta = {places[0].tolist()} to {place.tolist()}"
            for values, expected, where in (
                (each, true, at),
                (each - first[0], true - first[1], f"by its change {since}"),
            ):
                mean, error = values.mean(axis=0), values.std(axis=0) / math.sqrt(free)
                off = np.abs(mean - expected) > bound * error + ROUNDING * size
                if off.any():
                    j = int(np.argmax(off))
                    raise ValueError(
                        f"gradient = {_name(self.gradient)}: its mean over the data is {mean[j]:.6g} +- {error[j]:.2g} "
                        f"in coordinate {j} {where}, and the gradient of {type(landscape).__name__} is "
                        f"{expected[j]:.6g}; correct one of them, draw data from what the landscape averages over, or "
                        "give a landscape that is the mean over these data"
                    )

    def __repr__(self) -> str:
        told = (
            f"{self.data.shape[0]} samples of {self.data.shape[1]}, SHA-256 "
            f"{hashlib.sha256(self.data.tobytes()).hexdigest()[:16]}"
        )
        more = "" if self.replacement else ", replacement=False"
        more += f", parameters={self.parameters}" if self.parameters else ""
        return f"Minibatches({told}, gradient={described(self.gradient)}, batch_size={self.batch_size}{more})"


class _ShapeError(ValueError):
    """Data and gradient are not of the landscape's shape."""


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))


def _places(landscape: Landscape, origin: Array) -> Array:
    """Where gradients are compared, shape (places, d); all coordinates at once where these are independent."""
    reference, d = landscape.reference, landscape.dimension
    try:
        reach = abs(landscape.next_saddle() - float(reference[0]))
    except ValueError:
        reach = max(1.0, float(np.abs(reference).max()))
    away = np.eye(d)[:MOST_DIRECTIONS] if landscape.formulas.coupled else np.ones((1, d))
    around = [reference + share * reach * direction for direction in away for share in SHARES]
    return np.array([reference, origin, *around])


@lru_cache
def _sizes(count: int) -> NDArray[np.uint64]:
    """Samples, the least prime not below, and two bases near the root whose product is the least that is not below."""
    prime = max(count, 2)
    while any(prime % k == 0 for k in range(2, math.isqrt(prime) + 1)):
        prime += 1
    root = max(math.isqrt(count), 1)
    base = min(range((2 * root + 2) // 3, root + 1), key=lambda k: -count % k)
    return np.array([count, prime, base, -(-count // base)], np.uint64)
