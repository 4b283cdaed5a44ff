"""What numba lacks: floats as bits, full-width vectors, arrays that do not overlap, tuples of arrays, a counter."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from diffusion.dynamics.update import rounded_product


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


@intrinsic
def apart(typingcontext):
    """Tell LLVM that no two arrays that the calling function was given overlap.

    It then vectorises a loop over any number of them; left to check at run time it gives up above a few.
    """

    def build(context, builder, signature, arguments):
        for argument in builder.function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        return context.get_dummy_value()

    return types.none(), build


@intrinsic
def load(typingcontext, arrays, j, lane):
    """The entries [j, lane] of a tuple of arrays, as a tuple."""

    def build(context, builder, signature, arguments):
        entries = [builder.load(place) for place in _places(context, builder, signature.args[0], arguments)]
        return context.make_tuple(builder, signature.return_type, entries)

    return types.BaseTuple.from_types([types.float64] * len(arrays))(arrays, types.int64, types.int64), build


@intrinsic
def store(typingcontext, arrays, j, lane, values):
    """Set the entries [j, lane] of a tuple of arrays to those of a tuple of numbers."""

    def build(context, builder, signature, arguments):
        numbers = cgutils.unpack_tuple(builder, arguments[3])
        places = _places(context, builder, signature.args[0], arguments)
        for place, number, kind in zip(places, numbers, signature.args[3], strict=True):
            builder.store(context.cast(builder, number, kind, types.float64), place)
        return context.get_dummy_value()

    return types.none(arrays, types.int64, types.int64, values), build


@intrinsic
def store_column(typingcontext, array, lane, values):
    """Set the entries [:, lane] of an array to a tuple of numbers."""

    def build(context, builder, signature, arguments):
        view = context.make_array(array)(context, builder, arguments[0])
        for k, (number, kind) in enumerate(zip(cgutils.unpack_tuple(builder, arguments[2]), values, strict=True)):
            entry = [context.get_constant(types.int64, k), arguments[1]]
            place = cgutils.get_item_pointer(context, builder, array, view, entry)
            builder.store(context.cast(builder, number, kind, array.dtype), place)
        return context.get_dummy_value()

    return types.none(array, types.int64, values), build


@intrinsic
def multiplied(typingcontext, numbers, others):
    """The products of two tuples' numbers, as a tuple."""

    def build(context, builder, signature, arguments):
        pairs = zip(*(cgutils.unpack_tuple(builder, packed) for packed in arguments), strict=True)
        return context.make_tuple(builder, numbers, [builder.fmul(*pair) for pair in pairs])

    return numbers(numbers, others), build


def _places(context, builder, kinds, arguments):
    """Pointers to the entries."""
    packed, j, lane = arguments[:3]
    for kind, array in zip(kinds, cgutils.unpack_tuple(builder, packed), strict=True):
        view = context.make_array(kind)(context, builder, array)
        yield cgutils.get_item_pointer(context, builder, kind, view, [j, lane])


@intrinsic
def _times(typingcontext, a, b):
    def build(context, builder, signature, arguments):
        return builder.fmul(*arguments, flags=("nsz",))  # numba adds the leave to contract where there are no flags

    return types.float64(types.float64, types.float64), build


@overload(rounded_product, inline="always")
def _rounded_product(a, b):
    return lambda a, b: _times(a, b)


rounded_product.overload = _rounded_product  # so that code made of the one is known to be made of the other


def at(clock, lane):
    """The clock of a lane: an entry of an array, or the number that all lanes share."""
    return clock[lane] if hasattr(clock, "__len__") else clock


@overload(at, inline="always")
def _at(clock, lane):
    if isinstance(clock, types.Array):
        return lambda clock, lane: clock[lane]
    return lambda clock, lane: clock


at.overload = _at


@intrinsic
def fetch_add(typingcontext, array, amount):
    """Add to the first entry of an int64 array, as one indivisible step, and return what it held before."""

    def build(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", view.data, arguments[1], "seq_cst")

    return types.int64(array, types.int64), build
