"""Vectors of sixteen floats: their arithmetic against NumPy, and the LLVM code that they become."""

import numpy as np
import pytest
from numba import njit

from lexloom.compiled.memory import LANES
from lexloom.compiled.simd import add, div, exp, exponent, fma, largest, load, mantissa, maximum, mul, splat, store, sub, total


@njit
def arithmetic(a, b, out):
    x, y = load(a, 0), load(b, 0)
    store(out, 0, add(x, y))
    store(out, 16, sub(x, y))
    store(out, 32, mul(x, y))
    store(out, 48, div(x, y))
    store(out, 64, maximum(x, y))
    store(out, 80, exp(x))
    store(out, 96, mantissa(y))
    store(out, 112, exponent(y))
    store(out, 128, splat(total(x)))
    store(out, 144, splat(largest(x)))


@njit
def multiply_add(a, b, c):
    store(c, 0, fma(load(a, 0), load(b, 0), load(c, 0)))


@njit
def exponential(a):
    store(a, 0, exp(load(a, 0)))


@pytest.mark.parametrize(("function", "arrays"), [(multiply_add, 3), (exponential, 1)], ids=["fma", "exp"])
def test_a_multiply_add_need_not_be_fused(function, arrays):
    """`llvm.fma` becomes a library call per lane on a processor without such an instruction; `llvm.fmuladd` a product and a sum."""
    function(*np.zeros((arrays, LANES), np.float32))
    [code] = function.inspect_llvm().values()
    assert "@llvm.fmuladd.v16f32" in code
    assert "@llvm.fma." not in code


def test_lanes_hold_what_numpy_computes():
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, LANES)).astype(np.float32) * 5
    b = np.abs(b)
    out = np.zeros((10, LANES), np.float32)
    arithmetic(a, b, out.reshape(-1))
    np.testing.assert_array_equal(out[:5], [a + b, a - b, a * b, a / b, np.maximum(a, b)])
    np.testing.assert_allclose(out[5], np.exp(a.astype(np.float64)), rtol=2e-7)
    mantissas, exponents = np.frexp(b)
    np.testing.assert_array_equal(out[6:8], [mantissas * 2, exponents - 1])
    np.testing.assert_allclose(out[8], a.sum(), rtol=1e-6)
    assert (out[9] == a.max()).all()


def test_exp_is_clamped():
    a = np.linspace(-200, 200, LANES, dtype=np.float32)
    exponential(a)
    np.testing.assert_allclose(a[[0, -1]], np.exp([-30.0, 30.0]), rtol=1e-6)
