"""What a user of diffrax would write: Euler's scheme with its fastest Brownian path."""

import numpy as np

from benchmarks import workloads
from benchmarks.workloads import Contestant, Size, gradient


def workload_a(size: Size) -> Contestant:
    """Workload A in float64."""
    import diffrax
    import jax
    import lineax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    shape = (size.replicas, size.dimension)
    deviation = jnp.full(shape, workloads.LR**0.5 * workloads.DEVIATION)  # of the increment over unit time

    def statistic(t: jax.Array, x: jax.Array, args: None) -> jax.Array:
        return jnp.mean((x - workloads.START) ** 2, axis=0)

    def moments(key: jax.Array) -> jax.Array:
        path = diffrax.UnsafeBrownianPath(shape=shape, key=key)
        noise = diffrax.ControlTerm(lambda t, x, args: lineax.DiagonalLinearOperator(deviation), path)
        terms = diffrax.MultiTerm(diffrax.ODETerm(lambda t, x, args: -gradient(x)), noise)
        solution = diffrax.diffeqsolve(
            terms,
            diffrax.Euler(),
            0.0,
            size.iterations * workloads.LR,
            workloads.LR,
            jnp.full(shape, workloads.START),
            saveat=diffrax.SaveAt(steps=workloads.EVERY, fn=statistic),
            adjoint=diffrax.DirectAdjoint(),
            max_steps=size.iterations + 1,
        )
        return solution.ys

    compiled = jax.jit(moments)
    saves = size.iterations // workloads.EVERY  # the rest is padding
    return Contestant("diffrax, Euler", size, lambda: np.asarray(compiled(jax.random.key(0)))[:saves])
