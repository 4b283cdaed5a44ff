"""What every kind of equation is asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from numpy.typing import ArrayLike, NDArray

from diffusion.fokker_planck.equation import Equation

Answer = tuple[dict[str, Any], dict[str, Any]]  # variables and coordinates of a Dataset


class Solver(ABC):
    """Solves one kind of equation; arguments are those of the public functions but for the equation's own."""

    def __init__(self, equation: Equation) -> None:
        self.equation = equation

    @abstractmethod
    def passage(
        self, start: ArrayLike, boundary: Any, velocity: str | float, reflecting: Any, tolerance: float | None
    ) -> Answer:
        """As `mean_first_passage_time`."""

    @abstractmethod
    def rate(self, start: ArrayLike, boundary: Any, reflecting: Any, tolerance: float | None) -> Answer:
        """As `escape_rate`."""

    @abstractmethod
    def committor(self, boundary: Any, start: ArrayLike | None) -> Answer:
        """As `committor`."""

    @abstractmethod
    def stationary(self, start: ArrayLike, reflecting: Any) -> Answer:
        """As `stationary_density`."""

    @abstractmethod
    def density(
        self, start: ArrayLike, times: NDArray[Any], boundary: Any, spread: float, reflecting: Any, fineness: float
    ) -> Answer:
        """As `density`."""
