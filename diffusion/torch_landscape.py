"""The loss of a torch model on data: its gradient and curvature, and what minibatches make of them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from diffusion import checks, torch_noise
from diffusion import torch_curvature as curvature
from diffusion.directions import directions as eigenvectors
from diffusion.plan import refuse_memory
from diffusion.torch_minibatches import TorchMinibatches
from diffusion.torch_model import SampleLosses, chunks, count

if TYPE_CHECKING:
    import xarray

COPIES = 4  # of a matrix that it takes to find its eigenvectors

Array = NDArray[Any]


class TorchLandscape:
    """The mean loss of a torch model over data, as a function of its parameters, and the loss of every single sample.

    Everything is taken in evaluation mode, on a copy of the model: dropout is off and the statistics of batch
    normalisation are frozen, as samples would have no gradients of their own otherwise. Parameters are vectors
    of length P: those with ``requires_grad``, in the order of ``torch.nn.utils.parameters_to_vector``. Results
    are NumPy arrays.

    Parameters
    ----------
    model
        Any model that can be called on a batch of inputs.
    loss
        ``loss(outputs, targets)``: one number for each sample, shape (N,), as
        ``torch.nn.CrossEntropyLoss(reduction="none")``.
    data
        Inputs and targets: two tensors or arrays of N samples along their first axes. They are the whole population, so
        that covariances are divided by N.
    dtype
        ``torch.float64`` or ``torch.float32``, into which model and data are turned.

    Raises
    ------
    ValueError
        If the model has no parameters, inputs and targets do not fit it or each other, anything is not finite, or the
        loss is not one number a sample; if the model draws random numbers or mixes samples in evaluation mode.

    Notes
    -----
    Sums over samples are taken in chunks of one size, whatever the machine; torch's own sums depend on its threads,
    which `simulate_torch` and `exit_times_torch` set to one, and elsewhere ``torch.set_num_threads(1)``. All is done
    where the model's parameters are: on a GPU the numbers are those of a CPU to rounding, not to the bit. In what
    follows, `theta` None stands for the model's own parameters, and `samples` None for all.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Callable[..., Any],
        data: tuple[Any, Any],
        *,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.sample_losses = SampleLosses(model, loss, data, dtype)

    @property
    def dimension(self) -> int:
        """Number of parameters P."""
        return self.sample_losses.dimension

    @property
    def samples(self) -> int:
        """Number of samples N."""
        return self.sample_losses.samples

    @property
    def parameters(self) -> Array:
        """The model's parameters, shape (P,)."""
        return _array(self.sample_losses.start)

    def losses(self, theta: ArrayLike | None = None, samples: ArrayLike | None = None) -> Array:
        """Losses of single samples, shape (some,)."""
        model, position = self.sample_losses, self._one(theta)
        with torch.no_grad():
            return _array(torch.cat([model.losses(position, part) for part in chunks(model.index(samples))]))

    def loss(self, theta: ArrayLike | None = None, samples: ArrayLike | None = None) -> Any:
        """Mean loss, of one vector of parameters a number, of a stack (..., P) an array (...)."""
        stack = self.sample_losses.vector("theta", theta)
        each = [float(self.losses(one, samples).mean(dtype=np.float64)) for one in stack.reshape(-1, self.dimension)]
        return each[0] if stack.dim() == 1 else np.reshape(each, stack.shape[:-1])

    def gradient(self, theta: ArrayLike | None = None, samples: ArrayLike | None = None) -> Array:
        """Gradient of the mean loss, shape (..., P) as `theta`; of a stack the same bits as of each alone."""
        model = self.sample_losses
        stack, index = model.vector("theta", theta), model.index(samples)
        each = [model.mean_gradient(one, index) for one in stack.reshape(-1, self.dimension)]
        return _array(torch.stack(each).reshape(stack.shape))

    def sample_gradients(self, theta: ArrayLike | None = None, samples: ArrayLike | None = None) -> Array:
        """Gradients of single samples, shape (some, P).

        Raises
        ------
        ValueError
            If they would take more than 2 GiB.
        """
        model = self.sample_losses
        index = model.index(samples)
        remedy = "ask for fewer samples, or for noise_report(k=...), which keeps what it needs of them"
        refuse_memory(count(index) * self._row_bytes, f"gradients of {count(index)} samples", remedy)
        return _array(torch.cat(list(model.gradients(self._finite(theta), index))))

    def hessian_product(
        self, vector: ArrayLike, theta: ArrayLike | None = None, samples: ArrayLike | None = None
    ) -> Array:
        """The Hessian of the mean loss times a vector (P,), or each row of (m, P)."""
        model = self.sample_losses
        rows = model.vector("vector", vector)
        products = curvature.hessian_products(
            model, self._finite(theta), rows.reshape(-1, self.dimension), model.index(samples)
        )
        return _array(products.reshape(rows.shape))

    def hessian(self, k: int | None = None, theta: ArrayLike | None = None) -> Any:
        """The Hessian: None the matrix (P, P), k its k largest eigenvalues, descending, and eigenvectors as columns.

        The eigenpairs are found by Lanczos (`scipy.sparse.linalg.eigsh`) on products, always from the same start, so
        that it takes memory for a few dozen vectors alone; of more than half of all, from the matrix.

        Raises
        ------
        ValueError
            If the matrix and its eigenvectors would take more than 2 GiB, or k is not between 1 and P.
        """
        position = self._finite(theta)
        if k is None:
            self._refuse_matrix("the Hessian")
            return _array(curvature.hessian_matrix(self.sample_losses, position, slice(0, self.samples)))
        return curvature.top_eigenpairs(self.sample_losses, position, checks.whole("k", k, most=self.dimension))

    def gauss_newton(self, theta: ArrayLike | None = None) -> Array:
        """The generalised Gauss-Newton matrix ``E[J^T H_out J]``, shape (P, P); refused where `hessian` is."""
        self._refuse_matrix("the Gauss-Newton matrix")
        return _array(curvature.gauss_newton_matrix(self.sample_losses, self._finite(theta), slice(0, self.samples)))

    def noise_covariance(self, theta: ArrayLike | None = None) -> Array:
        """Covariance of the gradient of one sample, shape (P, P); refused where `hessian` is.

        A minibatch of B samples drawn with replacement has C/B, without replacement ``C/B (N - B)/(N - 1)``.
        """
        self._refuse_matrix("the covariance")
        model, position, everything = self.sample_losses, self._finite(theta), slice(0, self.samples)
        mean = model.mean_gradient(position, everything)
        total = torch.zeros(self.dimension, self.dimension, dtype=model.dtype, device=model.device)
        for gradients in model.gradients(position, everything):
            away = gradients - mean
            total += away.T @ away
        return _array((total + total.T) / (2 * self.samples))

    def noise_along(self, directions: ArrayLike, theta: ArrayLike | None = None) -> Array:
        """Variance of the gradient of one sample along orthonormal columns (P, k), shape (k,)."""
        model, position = self.sample_losses, self._finite(theta)
        columns = torch.as_tensor(self.orthonormal(directions)).to(position)
        mean = model.mean_gradient(position, slice(0, self.samples))
        parts = model.gradients(position, slice(0, self.samples))
        squares = ((((one - mean) @ columns) ** 2).sum(dim=0) for one in parts)
        return _array(sum(squares) / self.samples)  # type: ignore[arg-type]

    def noise_report(
        self,
        batch_size: int | Sequence[int] = (1, 10, 100, 1000),
        *,
        k: int | None = None,
        curvature_samples: int | None = 500,
        theta: ArrayLike | None = None,
    ) -> xarray.Dataset:
        """The noise of minibatches beside the curvature, along eigenvectors of the Hessian and in coordinates.

        Parameters
        ----------
        batch_size
            Minibatch sizes, with replacement, of which skewness and kurtosis are given.
        k
            Along the eigenvectors of the k largest eigenvalues; None: along all, where `hessian` gives the matrix.
        curvature_samples
            So many samples, spread evenly over the data, give ``squared_curvature``, which takes longest; None: all.
        theta
            Where.

        Returns
        -------
        xarray.Dataset
            On direction, by descending eigenvalue: ``curvature`` H_i; ``sample_variance`` C_ii, the variance of the
            gradient of one sample, which is ``H_i`` if Equation 3 holds; what else is thought to be like it:
            ``gauss_newton``, ``loss_curvature`` (loss times abs(H_i), as Mori et al. have it) and ``squared_curvature``
            (mean of the squares of single samples' curvatures); ``eigenvector``. On (batch_size, direction), exactly:
            ``skewness`` and ``kurtosis`` (excess) of a minibatch gradient, which fall as B^-1/2 and 1/B; NaN where the
            noise vanishes. The same for coordinates in ``coordinate_variance``, ``coordinate_skewness`` and
            ``coordinate_kurtosis``. And the ``loss``.

        Raises
        ------
        ValueError
            As `hessian`, or if a batch size is below 1.
        """
        sizes = [checks.whole("batch_size", size) for size in np.atleast_1d(np.asarray(batch_size)).tolist()]
        position, loss = self._finite(theta), self.loss(theta)
        if k is None:
            values, vectors = (one[..., ::-1] for one in eigenvectors(self.hessian(theta=theta)))
        else:
            values, vectors = self.hessian(k, theta)
        few = self.samples if curvature_samples is None else checks.whole("curvature_samples", curvature_samples)
        spread = np.linspace(0, self.samples, min(few, self.samples), endpoint=False).astype(np.int64)
        along = torch_noise.along_directions(self.sample_losses, position, vectors, self.sample_losses.index(spread))
        coordinates = torch_noise.in_coordinates(self.sample_losses, position)
        parameters = {
            "landscape": repr(self),
            "mode": "evaluation, statistics frozen",
            "theta": self._place(theta),
            "k": k,
            "batch_size": sizes,
            "curvature_samples": len(spread),
            "torch": torch.__version__,
        }
        return torch_noise.report(loss, values, vectors, along, coordinates, sizes, parameters)

    def batches(
        self, batch_size: int, replacement: bool = True, seed: int = 0, replica: int = 0
    ) -> Iterator[NDArray[np.int64]]:
        """Positions of samples in one minibatch after another, without end, as a replica of `TorchMinibatches` has."""
        drawn = TorchMinibatches(batch_size, replacement)
        drawn.refuse_too_many(self.samples)
        return (drawn.positions(self.samples, seed, replica, iteration) for iteration in itertools.count())

    def orthonormal(self, directions: ArrayLike) -> Array:
        """Directions as columns of P entries, once they are seen to be orthonormal."""
        columns = np.asarray(directions, np.float64)
        if columns.ndim != 2 or len(columns) != self.dimension or not _orthonormal(columns):
            raise ValueError(
                f"directions of shape {columns.shape} must be orthonormal columns of {self.dimension} entries; "
                "numpy.linalg.qr makes them so"
            )
        return columns

    @property
    def _row_bytes(self) -> int:
        return self.dimension * self.sample_losses.start.element_size()

    def _place(self, theta: ArrayLike | None) -> str:
        """For the record: whose parameters."""
        return "the model's" if theta is None else hashlib.sha256(_array(self._one(theta)).tobytes()).hexdigest()[:16]

    def _one(self, theta: ArrayLike | None) -> torch.Tensor:
        position = self.sample_losses.vector("theta", theta)
        if position.dim() != 1:
            raise ValueError(
                f"theta has shape {tuple(position.shape)}, and must be one vector of {self.dimension} here"
            )
        return position

    def _finite(self, theta: ArrayLike | None) -> torch.Tensor:
        position = self._one(theta)
        if not position.isfinite().all():
            raise ValueError(
                "theta is not finite, and has no curvature or noise; take it from before the training diverged"
            )
        return position

    def _refuse_matrix(self, what: str) -> None:
        told = f"{what} of {self.dimension} parameters with its eigenvectors"
        refuse_memory(
            COPIES * self.dimension * self._row_bytes,
            told,
            "ask for hessian(k) or noise_report(k=...), or use a smaller model",
        )

    def __repr__(self) -> str:
        model = self.sample_losses
        dtype = "" if model.dtype == torch.float64 else f", dtype={model.dtype}"
        return (
            f"TorchLandscape({type(model.model).__name__} of {self.dimension} parameters in evaluation mode, "
            f"statistics frozen, on {self.samples} samples{dtype}, digest={model.digest})"
        )


def _orthonormal(columns: Array) -> bool:
    return bool(np.allclose(columns.T @ columns, np.eye(columns.shape[1]), atol=1e-6))


def _array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().cpu().numpy())
