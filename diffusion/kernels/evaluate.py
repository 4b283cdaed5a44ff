"""A coupled landscape's formulas at many positions, X of shape (d, lanes)."""

gradient = loss = None  # filled in by `specialise`


def losses(x, table, out):
    """The loss of each lane, into out, shape (lanes,)."""
    for lane in range(x.shape[1]):
        out[lane] = loss(x, lane, table)


def gradients(x, table, out):
    """The gradient of each lane, into out, shape (d, lanes)."""
    for j in range(x.shape[0]):
        for lane in range(x.shape[1]):
            out[j, lane] = gradient(x, j, lane, table)
