"""A coupled landscape's formulas, and regions, at many positions, X of shape (d, lanes)."""

gradient = loss = own = None  # filled in by `specialise`


def losses(x, table, out):
    """The loss of each lane, into out, shape (lanes,)."""
    for lane in range(x.shape[1]):
        out[lane] = loss(x, lane, table)


def gradients(x, table, out):
    """The gradient of each lane, into out, shape (d, lanes)."""
    for j in range(x.shape[0]):
        for lane in range(x.shape[1]):
            out[j, lane] = gradient(x, j, lane, table)


def outsides(k, x, out):
    """Whether each lane is outside by the user's function k, as 1 or 0, into out, shape (lanes,)."""
    for lane in range(x.shape[1]):
        out[lane] = 1.0 if own(k, x, lane) else 0.0
