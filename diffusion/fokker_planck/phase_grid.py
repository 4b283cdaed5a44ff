"""Box and cells of a phase-space grid, chosen from the path, and the equation on it."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from diffusion.fokker_planck.elements import Elements
from diffusion.fokker_planck.path import Path, graded
from diffusion.fokker_planck.phase_space import Grid
from diffusion.fokker_planck.survey import rises

Array = NDArray[np.float64]
DEGREE = 5
MARGIN = 16.0  # energies in temperatures, above the highest that matters, that the box contains
FASTEST = 1e6  # largest speed on a grid, in thermal speeds
UNKNOWNS = 120_000  # beyond which a grid is refused


def make_grid(
    path: Path,
    mass: float,
    damping: float,
    *,
    degree: int = DEGREE,
    fineness: float = 1.0,
    start: float = 0.0,
    spread: float = 0.0,
    fastest: float = 0.0,
) -> Grid:
    """Choose box and cells for a path, and assemble the equation.

    Parameters
    ----------
    path
        With friction = damping mass.
    mass, damping
        M and gamma.
    degree
        Of the polynomials.
    fineness
        Divides the size of the cells.
    start, spread
        Mean and standard deviation of a starting density to be resolved; spread 0: none.
    fastest
        Speed at which particles start, if they are not thermal.

    Raises
    ------
    ValueError
        If the temperature is so low that the grid would have too many unknowns.
    """
    x, psi = path.x, path.psi
    middle = (x[1:] + x[:-1]) / 2
    with np.errstate(all="ignore"):
        scales = path.diffusion(middle) / path.friction, path.slope(middle) ** 2, path.gradient(x) ** 2 / mass
    if not all(np.all(np.isfinite(scale)) for scale in scales) or not np.all(scales[0] > 0):
        raise ValueError(
            "diffusion, mass and damping are so small or so large that numbers of the phase-space grid are beyond the "
            "range of floating point; choose other units"
        )
    temperature = path.diffusion(middle) / path.friction
    speed = float(np.sqrt(temperature.min() / mass))
    started = fastest + 5.7 * np.sqrt(temperature.max() / mass) if fastest else 0.0
    reach = max(_largest_speed(path, mass, damping, middle, temperature), started) / speed
    if not reach < FASTEST:
        raise ValueError(
            f"diffusion gives thermal velocities {reach:.3g} times smaller than the largest on the path; no grid "
            "resolves both: raise diffusion, or shorten the path with reflecting = or a closer boundary"
        )
    velocities = Elements(_velocity_edges(reach, fineness), degree)
    slope = path.slope(x)
    bend = np.abs(np.diff(slope)) / np.diff(x)
    for point in path.breaks:  # a jump is no curvature
        bend[max(0, int(np.searchsorted(x, point)) - 1)] = 0.0
    base = np.minimum(1.5 / np.sqrt(path.slope(middle) ** 2 + bend / 2 + 1e-300), (path.upper - path.lower) / 8)
    if spread > 0:
        base = np.minimum(base, np.maximum(spread, np.abs(middle - start) / 3))
    kinetic = 0.3 * speed / damping
    rough = [edge for edge, absorbs in zip((path.lower, path.upper), path.absorbing, strict=True) if absorbs]
    rough += [point for point in path.breaks if path.jumps(point)]  # P is not smooth at velocity 0 in these places

    def spacing(y: Array) -> Array:
        size = np.interp(y, middle, base)
        for edge in rough:
            near = min(kinetic, 0.05 * np.interp(edge, middle, base))
            size = np.minimum(size, near + 0.6 * np.abs(y - edge))
        return np.asarray(size / fineness)

    edges = graded(path, [path.lower, *path.breaks, path.upper], spacing, UNKNOWNS, rough + [start] * (spread > 0))
    positions = Elements(edges, degree)
    unknowns = (len(positions.edges) - 1) * (len(velocities.edges) - 1) * (degree + 1) ** 2
    if unknowns > UNKNOWNS:
        least = temperature.min() * unknowns / UNKNOWNS
        raise ValueError(
            f"diffusion gives a temperature D/(gamma M) of {temperature.min():.3g}, whose grid has {unknowns} "
            f"unknowns; the smallest that {UNKNOWNS} resolve is about {least:.3g}: raise diffusion, or shorten the "
            "path with reflecting ="
        )
    return _assemble(path, mass, damping, positions, velocities, speed, x, psi)


def _largest_speed(path: Path, mass: float, damping: float, x: Array, temperature: Array) -> float:
    """The speed above which there is nothing: falling from the highest loss, or at most pushed against the friction."""
    loss = np.cumsum(rises(path.gradient, path.x[:-1], path.x[1:]))
    hot = temperature.max()
    height = loss.max() - loss.min() + max(0.0, MARGIN - path.margin) * hot
    falling = np.sqrt(2 * height / mass)
    pushed = np.abs(path.gradient(x)).max() / path.friction + 6.5 * np.sqrt(hot / mass)
    return float(max(min(falling, pushed), 5.7 * np.sqrt(hot / mass)))


def well_depths(psi: Array, absorbing: tuple[bool, bool]) -> Array:
    """How far psi must rise from each position before it can fall to an absorbing end; without one, to its highest."""
    depths = np.asarray(psi.max() - psi)
    for reverse, absorbs in zip((False, True), absorbing, strict=True):
        if absorbs:
            highest = np.maximum.accumulate(psi[::-1])[::-1] if reverse else np.maximum.accumulate(psi)
            depths = np.minimum(depths, highest - psi)
    return np.asarray(depths)


def _velocity_edges(reach: float, fineness: float) -> Array:
    edges, size = [0.0], 0.2 / fineness
    while edges[-1] < reach:
        edges.append(edges[-1] + size)
        size = min(1.6 * size, 0.9 / fineness * max(1.0, edges[-1] / 6))
    half = np.array(edges) * reach / edges[-1]
    return np.concatenate([-half[:0:-1], half])


def _assemble(
    path: Path,
    mass: float,
    damping: float,
    positions: Elements,
    velocities: Elements,
    speed: float,
    scan: Array,
    psi: Array,
) -> Grid:
    x, u = positions.points, velocities.points
    unit = mass * speed**2
    temperature = path.diffusion(x) / path.friction / unit
    force = path.gradient(x) / (mass * speed)
    forward, backward = np.maximum(u, 0), np.minimum(u, 0)
    ones, faces = np.ones(len(x)), np.ones(len(positions.edges))
    matrix = -speed * sp.kron(positions.transport(ones, faces), sp.diags_array(forward))
    matrix = matrix + speed * sp.kron(positions.transport(-ones, -faces), sp.diags_array(backward))
    edges = velocities.edges.copy()
    edges[[0, -1]] = 0.0  # no flux
    inner = np.ones(len(edges))
    inner[[0, -1]] = 0.0
    one = np.ones(len(u))
    friction = velocities.transport(-u, -edges)
    up, down = velocities.transport(one, inner), velocities.transport(-one, -inner)
    eye = sp.eye_array(len(x))
    matrix = matrix - damping * sp.kron(eye, friction)
    matrix = (
        matrix
        - sp.kron(sp.diags_array(np.maximum(force, 0)), down)
        - sp.kron(sp.diags_array(np.maximum(-force, 0)), up)
    )
    matrix = matrix + damping * sp.kron(sp.diags_array(temperature), velocities.diffusion())
    low, high = positions.ends
    n = len(low)
    leaving = np.zeros((2, len(x), len(u)))
    flip = sp.csr_array(np.eye(len(u))[::-1])
    for end, (here, trace, out) in enumerate(
        ((slice(0, n), low, -backward), (slice(len(x) - n, len(x)), high, forward))
    ):
        if path.absorbing[end]:
            leaving[end, here] = speed * np.outer(trace, out * velocities.weights)
        else:  # what leaves comes back with the opposite velocity
            back = np.zeros((len(x), len(x)))
            back[here, here] = np.outer(trace, trace) / positions.weights[here, None]
            matrix = matrix + speed * sp.kron(sp.csr_array(back), flip @ sp.diags_array(out))
    depths = np.interp(x, scan, well_depths(psi, path.absorbing))
    pin = int(np.argmax(depths)) * len(u) + int(np.argmin(np.abs(u)))
    csr = sp.csr_array(matrix)
    csr.eliminate_zeros()
    return Grid(positions, velocities, speed, temperature, csr, leaving.reshape(2, -1), pin)
