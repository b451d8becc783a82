"""Vectors of sixteen floats inside Numba.

Numba does not vectorise the training loops by itself: with this many arrays that may alias, LLVM leaves scalar code. So the kernels are
written with explicit vectors. `Float32x16` is a Numba type whose data model is LLVM's `<16 x float>`; the intrinsics below are its
arithmetic. LLVM maps a vector to one AVX-512 register, two AVX registers or four NEON registers, and aliasing no longer matters.

A multiply-add is fused, that is rounded once, where the processor has an instruction for that; elsewhere it is a product and a sum,
each rounded. So the last bits of a result may differ between machines with and without such an instruction.

`at` is always an index into a flat float32 array, in floats; it need not be aligned.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from lexloom.compiled.memory import LANES

ZERO, ONE = np.float32(0), np.float32(1)
VECTOR = ir.VectorType(ir.FloatType(), LANES)
INTEGERS = ir.VectorType(ir.IntType(32), LANES)

Codegen = Callable[[Any, Any, Any, Any], Any]


class Float32x16(types.Type):
    """Numba type of sixteen 32-bit floats."""

    def __init__(self) -> None:
        super().__init__(name="float32x16")


float32x16 = Float32x16()


@register_model(Float32x16)
class _Float32x16Model(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, VECTOR)


# ---- LLVM code shared by the intrinsics ---------------------------------------------------------------------------------------------


def constant(value: float) -> ir.Constant:
    """Make a vector constant with the same value in every lane."""
    return ir.Constant(VECTOR, [value] * LANES)


def integers(value: int) -> ir.Constant:
    """Make an integer vector constant with the same value in every lane."""
    return ir.Constant(INTEGERS, [value] * LANES)


def data(context: Any, builder: Any, array_type: Any, array: Any) -> Any:
    """Get the pointer to the first element of an array."""
    return context.make_array(array_type)(context, builder, array).data


def load_at(builder: Any, pointer: Any, at: Any) -> Any:
    """Load sixteen floats, starting at `pointer[at]`."""
    value = builder.load(builder.bitcast(builder.gep(pointer, [at]), VECTOR.as_pointer()))
    value.align = 4
    return value


def store_at(builder: Any, value: Any, pointer: Any, at: Any) -> None:
    """Store sixteen floats, starting at `pointer[at]`."""
    builder.store(value, builder.bitcast(builder.gep(pointer, [at]), VECTOR.as_pointer())).align = 4


def broadcast(builder: Any, scalar: Any) -> Any:
    """Make a vector with the same scalar in every lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, undefined, integers(0))


def call(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """Call an LLVM intrinsic by its name."""
    signature = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), arguments)


def multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Compute a * b + c, fused where the processor can: `llvm.fma` would become sixteen library calls where it cannot."""
    return call(builder, "llvm.fmuladd.v16f32", VECTOR, [a, b, c])


def reduce_all(builder: Any, vectors: list[Any]) -> Any:
    """Sum each of up to sixteen vectors over its lanes; lane i of the result is the sum of `vectors[i]`.

    A butterfly: at stride s two vectors whose numbers differ in bit s become one, in which bit s of the lane tells whose partial sum
    it holds. Sixteen sums take 30 shuffles and 15 additions; one at a time they would take 64 and 64.
    """
    zero = constant(0.0)
    vectors = vectors + [zero] * (LANES - len(vectors))
    for stride in (8, 4, 2, 1):
        whose = [LANES if lane & stride else 0 for lane in range(LANES)]
        low = ir.Constant(INTEGERS, [whose[lane] + (lane & ~stride) for lane in range(LANES)])
        high = ir.Constant(INTEGERS, [whose[lane] + (lane | stride) for lane in range(LANES)])
        vectors = [
            builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high), flags=("nsz",)) if a is not zero else zero
            for a, b in zip(vectors[:stride], vectors[stride:], strict=True)
        ]
    return vectors[0]


# ---- arithmetic, one intrinsic each -------------------------------------------------------------------------------------------------


@intrinsic
def load(typing: Any, array: Any, at: Any) -> tuple[Any, Codegen]:
    """Load sixteen floats, starting at array[at]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return load_at(builder, data(context, builder, signature.args[0], arguments[0]), arguments[1])

    return float32x16(array, at), code


@intrinsic
def store(typing: Any, array: Any, at: Any, value: Any) -> tuple[Any, Codegen]:
    """Store sixteen floats, starting at array[at]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        store_at(builder, arguments[2], data(context, builder, signature.args[0], arguments[0]), arguments[1])
        return context.get_dummy_value()

    return types.void(array, at, float32x16), code


@intrinsic
def splat(typing: Any, scalar: Any) -> tuple[Any, Codegen]:
    """Put one float32 in every lane."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return broadcast(builder, arguments[0])

    return float32x16(types.float32), code


def _lane_by_lane(emit: Callable[..., Any]) -> Any:
    """Make an intrinsic that takes two vectors to one; `emit` writes its instruction."""

    @intrinsic
    def operation(typing: Any, a: Any, b: Any) -> tuple[Any, Codegen]:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return emit(builder, *arguments)

        return float32x16(a, b), code

    return operation


add = _lane_by_lane(lambda builder, a, b: builder.fadd(a, b))
sub = _lane_by_lane(lambda builder, a, b: builder.fsub(a, b))
mul = _lane_by_lane(lambda builder, a, b: builder.fmul(a, b))
div = _lane_by_lane(lambda builder, a, b: builder.fdiv(a, b))
maximum = _lane_by_lane(lambda builder, a, b: call(builder, "llvm.maxnum.v16f32", VECTOR, [a, b]))


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> tuple[Any, Codegen]:
    """Compute a * b + c lane by lane, fused where the processor can."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return multiply_add(builder, *arguments)

    return float32x16(a, b, c), code


@intrinsic
def total(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """Sum the lanes; a float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.extract_element(reduce_all(builder, [arguments[0]]), ir.Constant(ir.IntType(32), 0))

    return types.float32(a), code


@intrinsic
def largest(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """Take the largest lane; a float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "llvm.vector.reduce.fmax.v16f32", ir.FloatType(), [arguments[0]])

    return types.float32(a), code


@intrinsic
def prefetch(typing: Any, array: Any, at: Any) -> tuple[Any, Codegen]:
    """Prefetch the cache line of array[at]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        pointer = builder.gep(data(context, builder, signature.args[0], arguments[0]), [arguments[1]])
        hints = [ir.Constant(word, 0), ir.Constant(word, 3), ir.Constant(word, 1)]  # a read, into every cache level, of data
        call(builder, "llvm.prefetch.p0", ir.VoidType(), [builder.bitcast(pointer, byte), *hints])
        return context.get_dummy_value()

    return types.void(array, at), code


@intrinsic
def exp(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """Compute e to the power of each lane, with a relative error below 2e-7. The argument is clamped to +-30.

    The argument is split as n ln 2 + f with |f| <= ln 2 / 2. e^f is its Taylor polynomial of degree 6 (the first omitted term is below
    2e-7), and n is added to the exponent bits.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x = call(builder, "llvm.maxnum.v16f32", VECTOR, [arguments[0], constant(-30.0)])
        x = call(builder, "llvm.minnum.v16f32", VECTOR, [x, constant(30.0)])
        n = call(builder, "llvm.rint.v16f32", VECTOR, [builder.fmul(x, constant(1.4426950408889634))])
        f = multiply_add(builder, n, constant(-0.693359375), x)  # ln 2 in two parts: n times the first is exact
        f = multiply_add(builder, n, constant(2.1219444005469058e-4), f)
        p = constant(1 / 720)
        for factorial in (120, 24, 6, 2, 1, 1):
            p = multiply_add(builder, p, f, constant(1 / factorial))
        bits = builder.add(builder.bitcast(p, INTEGERS), builder.shl(builder.fptosi(n, INTEGERS), integers(23)))
        return builder.bitcast(bits, VECTOR)

    return float32x16(a), code


@intrinsic
def exponent(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """Get the binary exponent of each positive normal lane as a float: a = mantissa * 2^exponent with 1 <= mantissa < 2."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        biased = builder.lshr(builder.bitcast(arguments[0], INTEGERS), integers(23))
        return builder.sitofp(builder.sub(biased, integers(127)), VECTOR)

    return float32x16(a), code


@intrinsic
def mantissa(typing: Any, a: Any) -> tuple[Any, Codegen]:
    """Get the mantissa of each positive normal lane, in [1, 2)."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = builder.and_(builder.bitcast(arguments[0], INTEGERS), integers(0x007FFFFF))
        return builder.bitcast(builder.or_(bits, integers(0x3F800000)), VECTOR)

    return float32x16(a), code
