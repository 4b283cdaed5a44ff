"""What the paper says about minima, and why a route may have no value."""

from experiments.claims import Claim

THEOREM_3 = Claim(
    "Theorem 3",
    "Section 3, proof in A.3",
    "Momentum leaves a minimum in the mean time pi [sqrt(1 + 4|H_be|/(gamma^2 M)) + 1]/|H_be| exp{(2 gamma M B Delta L/lr) [s/H_ae + (1-s)/|H_be|]}.",
)
DAMPING = Claim(
    "Theorem 3, damping",
    "Section 3, proof in A.3",
    "Inertia lengthens the escape by [1 + sqrt(1 + 4|H_be|/(gamma^2 M))]/2, at any damping.",
)
INERTIAL_EXPONENT = Claim(
    "Theorem 3, exponent with inertia",
    "Section 3, proof in A.3",
    "With inertia as without, the barrier counts as Delta L [s/T_a + (1-s)/T_b].",
)
EQUATION_57 = Claim(
    "Equation 57",
    "Appendix A.3",
    "At the saddle inertia multiplies the effective diffusion by 2/[1 + sqrt(1 + 4|H_be|/(gamma^2 M))].",
)
EXIT_LINE = Claim(
    "Exit line",
    "Section 3, where the saddle is the exit",
    "The escape time is that of passing the saddle: nothing is said of whether runs are stopped at it or beyond it.",
)
PROPOSITION_2 = Claim(
    "Proposition 2",
    "Section 4, proof in A.4",
    "Adam leaves a minimum in a mean time whose exponent has square roots of the Hessian: it depends less on sharpness.",
)
PROPOSITION_4 = Claim(
    "Proposition 4", "Section 5, proof in A.5", "Adai leaves a minimum as Momentum does, with SGD's exponent."
)
LOW_TEMPERATURE = Claim(
    "Low temperature",
    "Theorem 3, Propositions 2 and 4",
    "The formulas are for low temperature: what they leave out dies out with temperature over barrier.",
)
SYMMETRY = Claim(
    "Scaling symmetry",
    "Section 6, Figure 6",
    "Sharpness k and learning rate enter an escape through k lr (SGD, Momentum, Adai) or sqrt(k) lr (Adam) alone.",
)
BATCH_RULES = Claim(
    "Batch scaling rules",
    "Theorem 3, Propositions 2 and 4",
    "Escapes depend on lr/B alone (SGD, Momentum, Adai), or on lr/sqrt(B) alone (Adam).",
)
TABLE_1_MINIMA = Claim(
    "Table 1, minima row",
    "Section 1, Table 1",
    "SGD, Momentum and Adai prefer flat minima, log rate ~ -1/k; Adam does so less, log rate ~ -1/sqrt(k).",
)
THEOREM_4 = Claim(
    "Theorem 4",
    "Section 5, proof in A.6",
    "Under Adai min_k E|grad L|^2 is at most (C1 + C2 + C3)/sqrt(t+1).",
)
CLAIMS = (
    THEOREM_3, DAMPING, INERTIAL_EXPONENT, EQUATION_57, EXIT_LINE, PROPOSITION_2, PROPOSITION_4, LOW_TEMPERATURE, SYMMETRY, BATCH_RULES, TABLE_1_MINIMA, THEOREM_4,
)  # fmt: skip

EVERY = "every optimizer"
AT, FAR = "at the saddle", "beyond the saddle"  # exit lines
BARRIER = "barrier_over_temperature"  # in a row's regime
ITERATIONS = "mean escape time in iterations"
SUBSTEPS = 4
SIMULATED = 4.5  # largest barrier over temperature that is simulated
TORCH = 2.5  # the same for torch
EXPONENTS = (2.0, 4.0, 8.0, 16.0, 32.0)  # a factor 16, as sharpness in Table 1
SCHEME = 0.02  # allowance for the time step of the SDE with inertia; a test measures that halving it changes less
ROUNDING = 2e-3  # most runs that rounding may send out at another iteration
TOO_HIGH = "the barrier is too high for direct simulation; exact routes only"
NO_DISCRETE = "no exact value is known for whole steps with inertia; `diffusion-lab escape` measures them"
NO_IDEALIZED = "torch ships a running second moment: its escapes are compared with the ensemble as shipped"
NO_SHIPPED = "this optimizer has no second moment"
NO_SAMPLING = "computed without sampling"
NOT_SAID = "the paper says nothing of it"
ONLY_GRID = "with inertia the phase-space grid is the reference, given as exact"
