"""What a user of JAX would write: `jax.lax.scan` over iterations, all replicas in one array, compiled."""

import numpy as np

from benchmarks import workloads
from benchmarks.workloads import Contestant, Size, gradient


def workload_a(size: Size) -> Contestant:
    """Workload A in float64."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def step(x: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
        xi = jax.random.normal(key, x.shape, dtype=jnp.float64)
        return x - workloads.LR * (gradient(x) + workloads.DEVIATION * xi), None

    def measure(x: jax.Array, keys: jax.Array) -> tuple[jax.Array, jax.Array]:
        x, _ = jax.lax.scan(step, x, keys)
        return x, jnp.mean((x - workloads.START) ** 2, axis=0)

    def moments(key: jax.Array) -> jax.Array:
        keys = jax.random.split(key, (size.iterations // workloads.EVERY, workloads.EVERY))
        return jax.lax.scan(measure, jnp.full((size.replicas, size.dimension), workloads.START), keys)[1]

    compiled = jax.jit(moments)
    return Contestant("jax, lax.scan", size, lambda: np.asarray(compiled(jax.random.key(0))))
