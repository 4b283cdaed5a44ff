"""What numba does not offer: floats as bits, full-width vectors, clocks that lanes may share, and a counter for threads."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload


@intrinsic
def bits_of(typingcontext, number):
    """The bits of a float64 as an int64."""

    def build(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), build


@intrinsic
def float_of(typingcontext, bits):
    """The float64 that has the bits of an int64."""

    def build(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.DoubleType())

    return types.float64(types.int64), build


@intrinsic
def bits_of_32(typingcontext, number):
    """The bits of a float32 as an int32."""

    def build(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), build


@intrinsic
def float_of_32(typingcontext, bits):
    """The float32 that has the bits of an int32."""

    def build(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), build


@intrinsic
def full_width(typingcontext):
    """Let the calling function use 512-bit vectors where the processor has them.

    LLVM halves them for Intel's processor names, which costs a third of the speed here.
    """

    def build(context, builder, signature, arguments):
        # past llvmlite's list of known attributes, which holds none with a value
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), build


def at(clock, lane):
    """The clock of a lane: an entry of an array, or the number that all lanes share."""
    return clock[lane] if hasattr(clock, "__len__") else clock


@overload(at, inline="always")
def _at(clock, lane):
    if isinstance(clock, types.Array):
        return lambda clock, lane: clock[lane]
    return lambda clock, lane: clock


at.overload = _at  # so that code made of the one is known to be made of the other


@intrinsic
def fetch_add(typingcontext, array, amount):
    """Add to the first entry of an int64 array, as one indivisible step, and return what it held before."""

    def build(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", view.data, arguments[1], "seq_cst")

    return types.int64(array, types.int64), build
