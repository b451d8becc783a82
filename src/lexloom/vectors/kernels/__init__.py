"""The training loops: skip-gram and CBOW with negative sampling, with negatives shared by a window or fresh for each pair.

What is minimised (Mikolov et al. 2013). For an input row h and an output row w with label y (1 for the word itself, 0 for a negative),
the term is -log s(w.h) where y = 1 and -log(1 - s(w.h)) where y = 0, with s(z) = 1 / (1 + e^-z). Its derivative with respect to w.h is
s(w.h) - y, so a step of gradient descent with learning rate a moves h by g w and w by g h, with g = a (y - s(w.h)).
Skip-gram: h is the row of one context word, as in word2vec.c (the centre is predicted from each of its contexts). CBOW: h is the mean
(or sum) of the rows of all contexts, and the step of h goes to each of them (undivided where h is the mean, as word2vec.c and gensim do;
divided by their number where h is the sum, as gensim does).

`window` kernel. One set of negatives serves all contexts of a centre (Ji et al. 2016), and all its steps are computed from the rows
as they were before (a small batch). A context word's input row is copied into a ring when it enters the reach of the window and lives
there until it leaves; only its change is added to the matrix then. So shared memory is written about ten times less often than in
word2vec.c, which is what lets a second thread help. The negatives are drawn one centre ahead and their rows prefetched.

`pair` kernel. word2vec.c's order of work: fresh negatives for each (context, centre) pair, every output row updated at once.

Both are Hogwild (Niu et al. 2011): threads read and write the two matrices without locks, and an update of a row can be lost when two
threads meet in it. With one thread the result depends on the seed alone.

A kernel is compiled for its row length and number of negatives, which LLVM then knows; the machine code is cached on disk by Numba.
What its assembly shows (`inspect_asm()`, dim 100 and 300, 5 negatives, AVX-512): the update's inner loop is 24 fused multiply-adds, 14
loads (12 of them broadcasts of steps) and 2 stores, all on zmm registers and none to the stack; the scores' loop, which LLVM unrolls,
12 multiply-adds and 8 loads a step; no vector arithmetic is left on ymm registers. Counting the loss costs nothing measurable: the
probabilities of the right answers are multiplied, lane by lane, and only mantissas and exponents kept, so no logarithm is in the loop.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path

from lexloom.vectors.kernels.pair import pair_kernel
from lexloom.vectors.kernels.scratch import Plan, Scratch, padded, scratch
from lexloom.vectors.kernels.window import window_kernel

__all__ = ["Kernel", "Plan", "Scratch", "compile_kernel", "padded", "scratch"]

Kernel = Callable[..., tuple[float, int, int]]


def compile_kernel(name: str, plan: Plan) -> Kernel:
    """Fetch the `window` or the `pair` kernel for a plan; Numba compiles it at its first call, or takes it from its cache.

    Returns:
        A function of: work (`Scratch`, this thread's own); ids uint32 (N,), starts int64 (docs + 1,), the document in which the job
        begins, and the job's first and last position; keep uint32 (V,) thresholds; noise uint64 (V,) alias table; learns uint8 (V,),
        0 where the input row is held fixed; source and target, flat float32, row length `plan.dim`; options (window, shrink_windows,
        cbow_mean); the learning rate at the first position and its slope a position; the generator's state, uint64, not 0. It returns
        the sum of the losses, the number of terms, and the effective words. It holds no GIL.
    """
    make = {"window": window_kernel, "pair": pair_kernel}[name]
    kernel: Kernel = make(plan.dim, plan.negative, int(plan.cbow), source_stamp())
    return kernel


@functools.cache
def source_stamp(*folders: Path) -> int:
    """A number that changes with the code in some folders, for Numba's cache, which looks at a kernel's own file alone."""
    here = Path(__file__).parent
    files = [path for folder in (here, *folders) for path in sorted(folder.glob("*.py"))]
    text = b"".join(path.read_bytes() for path in (*files, here.parent / "sampling.py"))
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "little")
