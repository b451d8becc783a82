"""The two inner loops of the window kernel, written for registers: scores of a tile, and the update that follows from them.

A centre has `outputs` output rows (itself and its negatives) and some context rows. Contexts come in pairs and output rows in tiles of
`height` rows, so that a pair and a tile have at most sixteen scores: sixteen accumulators, reduced together into one vector whose lane
c * height + k belongs to context c of the pair and row k of the tile. The loops over the rows of a tile are unrolled by the Python code
below, the loop over the row length is left to LLVM.

Counted per pair of contexts, six outputs and sixteen floats of row length: 12 fused multiply-adds and 8 loads for the scores; 24, 14
loads (12 of them one step spread over a register) and 2 stores for the updates. On a core with one 512-bit multiply-add and one load a
cycle both loops are bound by the multiply-adds.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lexloom.vectors.kernels.simd import LANES, VECTOR, Codegen, broadcast, constant, data, float32x16, fused, load_at, reduce_all, store_at

MAX_HEIGHT = LANES // 2


def tiling(outputs: int) -> tuple[int, int]:
    """How many tiles for this many output rows, and how many rows in each: as few tiles as hold them, as even as can be."""
    tiles = -(-outputs // MAX_HEIGHT)
    return tiles, -(-outputs // tiles)


def _index(value: int) -> ir.Constant:
    return ir.Constant(ir.IntType(64), value)


def _element(builder: Any, pointer: Any, at: Any) -> Any:
    return builder.load(builder.gep(pointer, [at]))


def _chunks(builder: Any, dim: int) -> Any:
    """A loop over a row in steps of sixteen floats; yields the offset."""
    return cgutils.for_range_slice(builder, _index(0), _index(dim), _index(LANES))


@intrinsic(prefer_literal=True)
def tile_scores(typing: Any, rows: Any, x: Any, y: Any, target: Any, chosen: Any, first: Any, dim: Any, height: Any) -> tuple[Any, Codegen]:
    """Inner products of two context rows with a tile of output rows.

    Args:
        rows: flat float32, the private rows; x and y are where the two contexts begin in it.
        target: flat float32, the output matrix.
        chosen: int64, where each output row begins in `target`; the tile is chosen[first : first + height].
        dim, height: literal integers.

    Returns:
        A vector: lane k is x . row k, lane height + k is y . row k, the others are zero.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        length, tall = signature.args[6].literal_value, signature.args[7].literal_value
        own = data(context, builder, signature.args[0], arguments[0])
        out = data(context, builder, signature.args[3], arguments[3])
        begins = data(context, builder, signature.args[4], arguments[4])
        where = [_element(builder, begins, builder.add(arguments[5], _index(k))) for k in range(tall)]
        sums = [cgutils.alloca_once_value(builder, constant(0.0)) for _ in range(2 * tall)]
        with _chunks(builder, length) as (d, _):
            u = load_at(builder, own, builder.add(arguments[1], d))
            v = load_at(builder, own, builder.add(arguments[2], d))
            for k in range(tall):
                w = load_at(builder, out, builder.add(where[k], d))
                for total, row in ((sums[k], u), (sums[tall + k], v)):
                    builder.store(fused(builder, row, w, builder.load(total)), total)
        return reduce_all(builder, [builder.load(total) for total in sums])

    return float32x16(rows, x, y, target, chosen, first, dim, height), code


@intrinsic(prefer_literal=True)
def tile_update(
    typing: Any, rows: Any, slots: Any, pairs: Any, steps: Any, fresh: Any, target: Any, chosen: Any, dim: Any, outputs: Any
) -> tuple[Any, Codegen]:
    """Move the context rows and the output rows by the steps that their scores ask for.

    With g[c, k] the step of context c and output k, and rows as they were before the update on the right-hand side:
    context c += sum over k of g[c, k] * output k, and output k += sum over c of g[c, k] * context c.

    Args:
        rows: flat float32, the private rows, updated in place.
        slots: int64, where each context begins in `rows`, two for each pair.
        pairs: how many pairs of contexts.
        steps: float32 (pairs, tiles, 16), in the lanes of `tile_scores`.
        fresh: float32 scratch (2 * pairs, 16), used where there is more than one tile.
        target: flat float32, the output matrix; what is added to it is added to what stands there at that moment.
        chosen: int64, where each output row begins in `target`.
        dim, outputs: literal integers.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        length, count = signature.args[7].literal_value, signature.args[8].literal_value
        tiles, tall = tiling(count)
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
                ks = range(tile * tall, min(count, (tile + 1) * tall))
                w = [load_at(builder, out, at[k]) for k in ks]
                with cgutils.for_range(builder, arguments[2]) as loop:
                    lanes = builder.mul(builder.add(builder.mul(loop.index, _index(tiles)), _index(tile)), _index(LANES))
                    for side in (0, 1):
                        number = builder.add(builder.shl(loop.index, _index(1)), _index(side))
                        here = builder.add(_element(builder, place, number), d)
                        there = builder.mul(number, _index(LANES))
                        row = load_at(builder, own, here)
                        moved = row if tile == 0 else load_at(builder, spare, there)
                        for k, head in zip(ks, w, strict=True):
                            g = broadcast(builder, _element(builder, step, builder.add(lanes, _index(side * tall + k % tall))))
                            builder.store(fused(builder, g, row, builder.load(changes[k])), changes[k])
                            moved = fused(builder, g, head, moved)
                        if tile == tiles - 1:
                            store_at(builder, moved, own, here)
                        else:
                            store_at(builder, moved, spare, there)
            for k in range(count):  # only now: the same word may be in two tiles
                store_at(builder, builder.fadd(load_at(builder, out, at[k]), builder.load(changes[k])), out, at[k])
        return context.get_dummy_value()

    return types.void(rows, slots, pairs, steps, fresh, target, chosen, dim, outputs), code
