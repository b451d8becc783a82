"""The two inner loops of the window kernel, written for registers: the scores of a tile, and the update that follows from them.

A centre has `outputs` output rows (itself and its negatives) and some context rows. Contexts are taken in pairs and output rows in tiles
of `height` rows, so that a pair and a tile have at most sixteen scores: sixteen accumulators, reduced together into one vector whose lane
c * height + k belongs to context c of the pair and row k of the tile. The loops over the rows of a tile are unrolled by the Python code
below; the loop over the row length is left to LLVM.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lexloom.compiled.memory import LANES
from lexloom.compiled.simd import VECTOR, Codegen, broadcast, constant, data, float32x16, load_at, multiply_add, reduce_all, store_at

MAX_HEIGHT = LANES // 2


def tiling(outputs: int) -> tuple[int, int]:
    """Return the number of tiles for this many output rows and the rows per tile: as few tiles as possible, of even height."""
    tiles = -(-outputs // MAX_HEIGHT)
    return tiles, -(-outputs // tiles)


def _index(value: int) -> ir.Constant:
    return ir.Constant(ir.IntType(64), value)


def _element(builder: Any, pointer: Any, at: Any) -> Any:
    return builder.load(builder.gep(pointer, [at]))


def _chunks(builder: Any, dim: int) -> Any:
    """Loop over a row in steps of sixteen floats; yields the offset."""
    return cgutils.for_range_slice(builder, _index(0), _index(dim), _index(LANES))


@intrinsic(prefer_literal=True)
def tile_scores(typing: Any, rows: Any, x: Any, y: Any, output: Any, chosen: Any, first: Any, dim: Any, height: Any) -> tuple[Any, Codegen]:
    """Compute the inner products of two context rows with a tile of output rows.

    Args:
        rows: flat float32, the private rows.
        x, y: where the two contexts begin in `rows`.
        output: flat float32, the output matrix.
        chosen: int64, where each output row begins in `output`; the tile is chosen[first : first + height].
        first: the first row of the tile.
        dim, height: literal integers.

    Returns:
        A vector: lane k is x . row k, lane height + k is y . row k, the other lanes are zero.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        length, height = signature.args[6].literal_value, signature.args[7].literal_value
        own = data(context, builder, signature.args[0], arguments[0])
        out = data(context, builder, signature.args[3], arguments[3])
        begins = data(context, builder, signature.args[4], arguments[4])
        where = [_element(builder, begins, builder.add(arguments[5], _index(k))) for k in range(height)]
        sums = [cgutils.alloca_once_value(builder, constant(0.0)) for _ in range(2 * height)]
        with _chunks(builder, length) as (d, _):
            u = load_at(builder, own, builder.add(arguments[1], d))
            v = load_at(builder, own, builder.add(arguments[2], d))
            for k in range(height):
                w = load_at(builder, out, builder.add(where[k], d))
                for total, row in ((sums[k], u), (sums[height + k], v)):
                    builder.store(multiply_add(builder, row, w, builder.load(total)), total)
        return reduce_all(builder, [builder.load(total) for total in sums])

    return float32x16(rows, x, y, output, chosen, first, dim, height), code


@intrinsic(prefer_literal=True)
def tile_update(
    typing: Any, rows: Any, slots: Any, pairs: Any, steps: Any, moved: Any, output: Any, chosen: Any, dim: Any, outputs: Any
) -> tuple[Any, Codegen]:
    """Update the context rows and the output rows with the steps of their scores.

    With g[c, k] the step of context c and output k, and with all rows on the right-hand side as they were before the update:
    context c += sum over k of g[c, k] * output k, and output k += sum over c of g[c, k] * context c.

    Args:
        rows: flat float32, the private rows, updated in place.
        slots: int64, where each context begins in `rows`, two per pair.
        pairs: the number of pairs of contexts.
        steps: float32 (pairs, tiles, 16), in the lanes of `tile_scores`.
        moved: float32 scratch (2 * pairs, 16), used where there is more than one tile.
        output: flat float32, the output matrix; changes are added to its current values.
        chosen: int64, where each output row begins in `output`.
        dim, outputs: literal integers.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        length, count = signature.args[7].literal_value, signature.args[8].literal_value
        tiles, height = tiling(count)
        own, place, step, spare, out, begins = (
            data(context, builder, signature.args[i], arguments[i]) for i in (0, 1, 3, 4, 5, 6)
        )  # fmt: skip
        where = [_element(builder, begins, _index(k)) for k in range(count)]
        with _chunks(builder, length) as (d, _):
            at = [builder.add(begin, d) for begin in where]
            changes = [cgutils.alloca_once(builder, VECTOR) for _ in where]
            for change in changes:
                builder.store(constant(0.0), change)
            for tile in range(tiles):
                ks = range(tile * height, min(count, (tile + 1) * height))
                w = [load_at(builder, out, at[k]) for k in ks]
                with cgutils.for_range(builder, arguments[2]) as loop:
                    lanes = builder.mul(builder.add(builder.mul(loop.index, _index(tiles)), _index(tile)), _index(LANES))
                    for side in (0, 1):
                        number = builder.add(builder.shl(loop.index, _index(1)), _index(side))
                        here = builder.add(_element(builder, place, number), d)
                        there = builder.mul(number, _index(LANES))
                        row = load_at(builder, own, here)
                        new = row if tile == 0 else load_at(builder, spare, there)
                        for k, head in zip(ks, w, strict=True):
                            g = broadcast(builder, _element(builder, step, builder.add(lanes, _index(side * height + k % height))))
                            builder.store(multiply_add(builder, g, row, builder.load(changes[k])), changes[k])
                            new = multiply_add(builder, g, head, new)
                        if tile == tiles - 1:
                            store_at(builder, new, own, here)
                        else:
                            store_at(builder, new, spare, there)
            for k in range(count):  # at the end, since the same word may be in two tiles
                store_at(builder, builder.fadd(load_at(builder, out, at[k]), builder.load(changes[k])), out, at[k])
        return context.get_dummy_value()

    return types.void(rows, slots, pairs, steps, moved, output, chosen, dim, outputs), code
