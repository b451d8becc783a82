"""The training loop of skip-gram and CBOW with negative sampling.

Objective (Mikolov et al. 2013). For an input row h and an output row w with label y (1 for the centre itself, 0 for a negative), the
term is -log s(w.h) where y = 1 and -log(1 - s(w.h)) where y = 0, with s(z) = 1 / (1 + e^-z). Its derivative with respect to w.h is
s(w.h) - y, so a step of gradient descent with learning rate a adds g w to h and g h to w, with g = a (y - s(w.h)).
Skip-gram: h is the row of one context word, as in word2vec.c (the centre is predicted from each of its contexts). CBOW: h is the mean
(or sum) of the rows of all contexts, and the step of h is added to each of them (undivided where h is the mean, as in word2vec.c and
gensim; divided by their number where h is the sum, as in gensim).

All contexts of a centre share one set of negatives (Ji et al. 2016), and all steps of a centre are computed from the rows before the
update, as in a small batch. The input row of a context word is copied into a ring when it comes into reach of the window and stays
there until it leaves; only then its change is added to the matrix. So shared memory is written about ten times less often than in
word2vec.c, which is why a second thread helps. The negatives are drawn one centre ahead and their rows prefetched.

Training is Hogwild (Niu et al. 2011): threads read and write the two matrices without locks, and an update can be lost when two threads
write a row at the same moment. With one thread the result depends on the seed alone.

A kernel is compiled for its row length and number of negatives, which LLVM then knows; Numba caches the machine code on disk. The loss
costs almost nothing: the probabilities of the right answers are multiplied lane by lane, as mantissas and exponents, so no logarithm is
computed inside the loop.
"""

from collections.abc import Callable
from pathlib import Path

from lexloom.compiled.jit import source_stamp
from lexloom.vectors.kernels.arguments import Job, Matrices, Options, Plan, Scratch, Tables, Text, scratch
from lexloom.vectors.kernels.window import window_kernel

__all__ = ["Job", "Kernel", "Matrices", "Options", "Plan", "Scratch", "Tables", "Text", "compile_kernel", "scratch"]

Kernel = Callable[[Scratch, Text, Tables, Matrices, Options, Job], tuple[float, int, int]]


def compile_kernel(plan: Plan) -> Kernel:
    """Get the kernel for a plan; Numba compiles it at its first call, or loads it from its cache.

    Returns:
        A function of the thread's memory, the text, the tables, the matrices, the options and the job. It returns the sum of the losses
        in nats, the number of terms, and the number of effective words. It releases the GIL.
    """
    kernel: Kernel = window_kernel(plan.dim, plan.negative, int(plan.cbow), source_stamp(Path(__file__).parent))
    return kernel
