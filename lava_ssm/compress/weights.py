"""Rounding weights with regard to each other."""

import numpy as np

from lava_ssm.compress.formats import Formats
from lava_ssm.compress.parameters import weight_mantissas
from lava_ssm.compress.ranges import Moments
from lava_ssm.network.description import Exponent
from lava_ssm.numerics import IntArray, Overflow, RealArray, quantize, word_range


def matrix_mantissas(
    weights: RealArray, formats: Formats, moments: Moments
) -> tuple[IntArray, Exponent]:
    """Mantissas and exponents of a matrix with a bias, which makes up for its inputs' means."""
    mantissas, exponent = weight_mantissas(weights, formats, moments.std)
    if formats.compensate:
        gram = moments.centred
        mantissas = compensated(weights, formats.width, np.asarray(exponent), gram)
    return mantissas, exponent


def compensated(
    weights: RealArray, bits: int, exponent: IntArray, gram: RealArray, name: str = "weights"
) -> IntArray:
    """Mantissas of a matrix whose output, on the data of `gram`, is near that of the real one.

    Column by column: what a column's rounding changes in the output, the columns not yet rounded
    make up for as well as they can, by least squares. (Frantar, Ashkboos, Hoefler, Alistarh,
    "GPTQ", ICLR 2023, section 3; columns in the order of their inputs' energy.) A row for which
    this comes out worse than rounding each weight on its own keeps the latter. A weight that is
    zero stays zero (Frantar, Alistarh, "SparseGPT", ICML 2023, section 3.3): it was pruned.

    Parameters
    ----------
    weights
        W, (d_output, d_input).
    bits
        Width of a mantissa.
    exponent
        Of each row, (d_output,), or one for all.
    gram
        Sum over the data of u u^T for the inputs u, (d_input, d_input).
    name
        What the weights are, for the text of an error.

    Returns
    -------
    ndarray
        int64, the shape of `weights`.
    """
    power = np.broadcast_to(np.reshape(exponent, (-1, 1)), (len(weights), 1))
    # an exponent may be finer than fits the largest weight of an input that is hardly heard
    nearest = quantize(weights, bits, power, overflow=Overflow.SATURATE, name=name)
    energy = np.diag(gram)
    if not energy.any():  # the layer heard nothing
        return nearest
    damping = 1e-3 * energy.mean() + 1e-9 * energy.max()
    order = np.argsort(-energy)
    inverse = np.linalg.inv(gram[np.ix_(order, order)] + damping * np.eye(len(gram)))
    factor = np.linalg.cholesky((inverse + inverse.T) / 2).T  # upper: inverse = factor^T factor
    wanted = np.ldexp(weights, power.astype(np.int32))[:, order]
    left, columns = wanted.copy(), np.empty_like(wanted)
    for j in range(len(order)):
        rounded = np.clip(np.rint(left[:, j]), *word_range(bits))
        columns[:, j] = np.where(wanted[:, j] == 0, 0, rounded)
        off = (left[:, j] - columns[:, j]) / factor[j, j]
        left[:, j:] -= off[:, np.newaxis] * factor[j, j:]
    joint = np.empty_like(nearest)
    joint[:, order] = columns.astype(np.int64)
    better = _error(joint, weights, power, gram) < _error(nearest, weights, power, gram)
    return np.where(better[:, np.newaxis], joint, nearest)


def _error(mantissas: IntArray, weights: RealArray, power: IntArray, gram: RealArray) -> RealArray:
    """Squared error of each row's output, in units of its mantissas."""
    off = mantissas - np.ldexp(weights, power.astype(np.int32))
    return np.einsum("oi,ij,oj->o", off, gram, off)
