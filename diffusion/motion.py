"""What an idealized optimizer does: a rule, a loss and its noise as an equation of motion."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion.dynamics import Dynamics
from diffusion.landscapes import Formulas, Landscape
from diffusion.noise import MinibatchNoise, NoiseModel, refuse_other_laws
from diffusion.problem import check_kinds

Array = NDArray[np.float64]


class Coordinate:
    """One coordinate of a landscape and its noise, all others being at the same position; functions of arrays."""

    def __init__(self, landscape: Landscape, noise: NoiseModel) -> None:
        self.landscape, self.noise = landscape, noise

    def gradient(self, x: Any) -> Array:
        """L'."""
        return np.asarray(self.landscape.gradient(self._everywhere(x))[..., 0])

    def variance(self, x: Any) -> Array:
        """C, of one minibatch gradient."""
        return np.asarray(self._variance(self._everywhere(x))[..., 0])

    @cached_property
    def _variance(self) -> Callable[[Array], Array]:
        return self.noise.variance_on(self.landscape)

    def _everywhere(self, x: Any) -> Array:
        return np.asarray(x, float)[..., None] * np.ones(self.landscape.dimension)


class Motion(Coordinate):
    """``M x'' = -gamma M x' - F(x) + sqrt(2 D(x)) xi``, or without inertia ``x' = -F(x) + sqrt(2 D(x)) xi``.

    It assumes the theory's idealization: the second moment is the noise variance at the reference point (frozen)
    or at the present position (following), and noise is Gaussian. F is L', and L'/C^q where the second moment
    follows the variance C of a minibatch gradient: q is 1/2, and Padam's is its partial. Time is dynamical, `lr`
    for each iteration.

    Parameters
    ----------
    dynamics
        The optimizer.
    landscape, noise
        Where it moves.

    Attributes
    ----------
    lr
        Dynamical time of an iteration.
    inertia
        beta; 0: the equation without inertia.
    mass, damping, friction
        M, gamma and gamma M; without inertia gamma M is 1.

    Raises
    ------
    ValueError
        If the second moment is a running one, coordinates are coupled, or the noise is not normal.
    """

    def __init__(self, dynamics: Dynamics, landscape: Landscape, noise: NoiseModel) -> None:
        check_kinds(dynamics=dynamics, landscape=landscape, noise=noise)
        if dynamics.update is not None or landscape.formulas.coupled:
            unknown = f"no equation along one coordinate is known of {dynamics!r} on {type(landscape).__name__}"
            raise ValueError(f"{unknown}: it needs an idealized rule and a separable loss")
        refuse_other_laws(noise, "an equation of motion")
        super().__init__(landscape, noise)
        self.dynamics = dynamics
        rule = dynamics.rule(noise.variance_along(landscape))
        self.follows = dynamics.follows
        self.lr, self.inertia = float(rule.learning_rate[0]), float(rule.inertia.max())
        self.mass, self.damping, self.friction = (float(each[0]) for each in (rule.mass, rule.damping, rule.friction))

    def pull(self, x: Any) -> Array:
        """F."""
        return np.asarray(self.gradient(x) / self.variance(x) ** self.follows)

    def deviation(self, x: Any) -> Array:
        """Standard deviation of the noise of F."""
        return np.asarray(self.variance(x) ** (0.5 - self.follows))

    def diffusion(self, x: Any) -> Array:
        """D, half the learning rate times the variance of the noise of F."""
        return np.asarray(self.lr / 2 * self.variance(x) ** (1 - 2 * self.follows))

    def temperature(self, x: float) -> float:
        """D/(gamma M) at a position, in units of the loss: where the second moment follows, times C^q."""
        heat = self.variance(np.array([x])) ** (1 - self.follows)
        return float(self.lr / self.friction / 2 * heat[0])

    @property
    def split(self) -> float:
        """Share of the barrier climbed at the minimum's temperature: the landscape's, or 1 at one temperature.

        The theory's two temperatures are those of the minimum, before the inflection, and of the saddle, beyond it.
        """
        valley = self.landscape.valley
        same = self.temperature(valley.minimum) == self.temperature(valley.saddle)
        return 1.0 if same else valley.split

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where noise or gradient may have a kink, if the landscape tells."""
        return () if isinstance(self.noise, MinibatchNoise) else self.landscape.switches

    @cached_property
    def seen(self) -> Landscape:
        """The landscape whose gradient is F."""
        if not self.follows:
            return self.landscape

        def force(theta: Array) -> Array:
            return np.asarray(self.landscape.gradient(theta) / self._variance(theta) ** self.follows)

        return Seen(self.landscape, self.noise, force)


class OverdampedMotion:
    """``dx = b(x) dt + sqrt(2 D(x)) dW`` of an idealized optimizer without inertia, in any number of coordinates.

    In an iteration theta moves by ``-K g``, g the gradient of a minibatch, of covariance C, and K the learning rates:
    along the coordinates where the second moment follows the noise there, else along the eigenvectors at the reference
    point, as in `diffusion.simulate`. So ``b = -K L'/lr`` and ``D = K C K/(2 lr)``, which `theory.least_action` and
    `theory.escape_prefactor` take as they are. Time is dynamical, `lr` for each iteration.

    Parameters
    ----------
    dynamics
        The optimizer.
    landscape, noise
        Where it moves.

    Attributes
    ----------
    lr
        Dynamical time of an iteration: the learning rate, of the first direction where they differ.
    diffusion
        D: a matrix (d, d) where coordinates are coupled and it is the same everywhere, else a function of positions (n,
        d) to (n, d, d).

    Raises
    ------
    ValueError
        If there is inertia, the second moment is a running one, or the noise is not normal.

    Examples
    --------
    >>> import numpy as np
    >>> from diffusion import SGD, CurvedValley, HessianNoise, OverdampedMotion
    >>> OverdampedMotion(SGD(0.1), CurvedValley(0.5), HessianNoise(1)).diffusion.round(12).tolist()
    [[0.1, 0.0], [0.0, 0.4]]
    """

    def __init__(self, dynamics: Dynamics, landscape: Landscape, noise: NoiseModel) -> None:
        check_kinds(dynamics=dynamics, landscape=landscape, noise=noise)
        if dynamics.update is not None:
            raise ValueError(
                f"no equation of motion is known of {dynamics!r} as shipped; use second_moment='frozen' where there is "
                "one"
            )
        refuse_other_laws(noise, "an equation of motion")
        rule = dynamics.rule(noise.variance_along(landscape))
        if rule.inertia.any():
            raise ValueError(
                f"{dynamics!r} has inertia, and in several coordinates the equation is that without; use SGD, RMSprop "
                "or beta1=0, or exit_times and, where exits are rare, rare_escape_rate"
            )
        self.dynamics, self.landscape, self.noise = dynamics, landscape, noise
        steps = rule.learning_rate * rule.gradient_weight
        self.lr, self._power = float(steps[0]), dynamics.follows
        self._rates = landscape.basis * (steps / self.lr) @ landscape.basis.T
        self._variance = noise.variance_on(landscape)
        same = landscape.formulas.coupled and noise.field(landscape) is None and not self._power
        everywhere = self._diffusion(landscape.reference[None])[0]
        self.diffusion: Array | Callable[[Array], Array] = everywhere if same else self._diffusion

    def drift(self, x: Array) -> Array:
        """b at positions (n, d)."""
        return -self._force(x)

    def _force(self, x: Array) -> Array:
        slopes = self.landscape.gradient(x)
        if self._power:
            return np.asarray(slopes / self._variance(x) ** self._power)
        return np.asarray(slopes @ self._rates)

    def _diffusion(self, x: Array) -> Array:
        variance = self._variance(x)
        if self.landscape.formulas.coupled:
            roots = self.noise.roots(self.landscape, x)
            covariance = roots @ np.swapaxes(roots, -1, -2)
        else:
            covariance = variance[..., None] * np.eye(x.shape[-1])
        if self._power:
            shrunk = variance**-self._power
            return np.asarray(self.lr / 2 * shrunk[..., None] * covariance * shrunk[..., None, :])
        return np.asarray(self.lr / 2 * self._rates @ covariance @ self._rates)

    @cached_property
    def seen(self) -> Landscape:
        """The landscape whose gradient is -b."""
        same = not self._power and np.array_equal(self._rates, np.eye(len(self._rates)))
        return self.landscape if same else Seen(self.landscape, self.noise, self._force)


class Seen(Landscape):
    """What an optimizer sees that divides gradients: another gradient, which need not be that of a loss."""

    def __init__(self, landscape: Landscape, noise: NoiseModel, force: Callable[[Array], Array]) -> None:
        self._landscape, self._noise, self._force = landscape, noise, force
        self.dimension = landscape.dimension

    @property
    def formulas(self) -> Formulas:
        """None: it is solved on a grid, not simulated."""
        raise ValueError("a landscape as an optimizer sees it is not simulated; simulate the optimizer itself")

    @property
    def reference(self) -> Array:
        """The landscape's."""
        return self._landscape.reference

    def loss(self, theta: ArrayLike) -> Array:
        """The landscape's, by which a `LossLevel` goes."""
        return self._landscape.loss(theta)

    def gradient(self, theta: ArrayLike) -> Array:
        """What takes the gradient's place."""
        return self._force(np.asarray(theta, np.float64))

    def __repr__(self) -> str:
        return f"Seen({self._landscape!r}, {self._noise!r})"
