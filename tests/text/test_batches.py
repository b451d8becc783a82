import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lexloom.errors import ConfigError, InputError
from lexloom.text.batches import IGNORE, LengthBuckets, RandomWindows, ScoredWindows, SequentialWindows, rows_of

few = settings(max_examples=50, deadline=None)
sizes = {"number": st.integers(2, 90), "batch_size": st.integers(1, 7), "bptt": st.integers(1, 9)}


def positions(number):
    """A stream in which every id says where it stands."""
    return np.arange(number, dtype=np.uint32)


def plain(windows):
    """Windows as nested lists, which compare by value."""
    return [(inputs.tolist(), targets.tolist(), fresh) for inputs, targets, fresh in windows]


def histories(windows):
    """For every row of every window in turn, what a model that carries its state has read when it predicts each target.

    Yields:
        (row, tuple of all inputs since the state began, target).
    """
    read = {}
    for inputs, targets, fresh in windows:
        for row, (line, wanted) in enumerate(zip(inputs.tolist(), targets.tolist(), strict=True)):
            read[row] = [] if fresh else read[row]
            for token, target in zip(line, wanted, strict=True):
                read[row].append(token)
                yield row, tuple(read[row]), target


def cut(stream, number):
    """Split a list into pieces of `number`, the last one shorter."""
    return [stream[begin : begin + number] for begin in range(0, len(stream), number)]


# ---- sequential --------------------------------------------------------------------------------------------------------------------


def brute_force_sequential(ids, batch_size, bptt):
    """All windows of an epoch from the definition: streams side by side, cut together."""
    pairs = list(itertools.pairwise(ids))
    length = len(pairs) // batch_size
    streams = [cut(pairs[row * length : (row + 1) * length], bptt) for row in range(batch_size)]
    return [
        ([[before for before, _ in row] for row in rows], [[after for _, after in row] for row in rows], number == 0)
        for number, rows in enumerate(zip(*streams, strict=True))
    ]


@few
@given(**sizes, data=st.data())
def test_sequential_windows_are_their_definition(number, batch_size, bptt, data):
    assume(number > batch_size * bptt)
    ids = data.draw(st.lists(st.integers(0, 50), min_size=number, max_size=number))
    windows = SequentialWindows(np.array(ids, np.uint32), batch_size, bptt)
    expected = brute_force_sequential(ids, batch_size, bptt)
    assert plain(windows.epoch(0)) == plain(windows.epoch(1)) == expected
    assert len(windows) == len(expected)


@few
@given(**sizes)
def test_each_row_reads_its_own_stretch_and_every_target_is_seen_once_with_all_before_it(number, batch_size, bptt):
    assume(number > batch_size * bptt)
    windows = SequentialWindows(positions(number), batch_size, bptt)
    length = (number - 1) // batch_size
    seen = []
    for row, read, target in histories(windows.epoch(0)):
        assert read == tuple(range(row * length, target))
        seen.append(target)
    assert sorted(seen) == list(range(1, 1 + batch_size * length))
    assert windows.targets_per_epoch == len(seen)
    assert windows.left_over == number - 1 - len(seen) < batch_size


@few
@given(**sizes, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_at_an_offset_rows_read_on_as_they_do_without(number, batch_size, bptt, seed, epoch):
    assume(number > batch_size * bptt)
    windows = SequentialWindows(positions(number), batch_size, bptt, offset_seed=seed)
    found = plain(windows.epoch(epoch))
    offset, length = found[0][0][0][0], windows.targets_per_epoch // batch_size
    assert offset < bptt and bptt <= length
    stretch = positions(number)[offset : offset + windows.targets_per_epoch + 1]
    assert found == plain(SequentialWindows(stretch, batch_size, bptt).epoch(0))
    assert len(windows) == len(found)
    assert windows.left_over == number - 1 - windows.targets_per_epoch < batch_size + bptt - 1
    assert found == plain(SequentialWindows(positions(number), batch_size, bptt, offset_seed=seed).epoch(epoch))


def test_offsets_are_all_those_of_a_window():
    windows = SequentialWindows(positions(101), 2, 7, offset_seed=3)
    assert {int(next(windows.epoch(epoch)).inputs[0, 0]) for epoch in range(100)} == set(range(7))


# ---- random ------------------------------------------------------------------------------------------------------------------------


@few
@given(**sizes, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_random_windows_are_whole_apart_fresh_and_on_one_grid(number, batch_size, bptt, seed, epoch):
    assume(number > batch_size * bptt)
    windows = RandomWindows(positions(number), batch_size, bptt, seed)
    found = list(windows.epoch(epoch))
    assert len(found) == len(windows) == (number - 1) // bptt // batch_size  # as many as there are from offset 0
    starts = []
    for inputs, targets, fresh in found:
        assert fresh and inputs.shape == targets.shape == (batch_size, bptt)
        assert np.array_equal(targets, inputs + 1)
        assert np.array_equal(inputs, inputs[:, :1] + np.arange(bptt))
        starts += inputs[:, 0].tolist()
    assert len({start % bptt for start in starts}) == 1
    assert len(set(starts)) == len(starts)  # on one grid that means that no target comes twice
    assert windows.targets_per_epoch == len(starts) * bptt
    assert windows.left_over == number - 1 - windows.targets_per_epoch


@few
@given(**sizes, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_random_windows_are_the_same_again_from_seed_and_epoch_alone(number, batch_size, bptt, seed, epoch):
    assume(number > batch_size * bptt)
    once = RandomWindows(positions(number), batch_size, bptt, seed)
    list(once.epoch(epoch + 1))
    assert plain(once.epoch(epoch)) == plain(RandomWindows(positions(number), batch_size, bptt, seed).epoch(epoch))


def test_epochs_and_seeds_differ():
    orders = {str(plain(RandomWindows(positions(200), 4, 5, seed).epoch(epoch))) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


@pytest.mark.parametrize(
    ("number", "offsets"),
    [
        (201, 1),  # 4 * 5 * 10 targets: any offset would lose a batch
        (203, 3),  # two targets to spare
        (219, 5),  # more to spare than a window has
    ],
)
def test_the_offset_is_any_that_loses_no_batch(number, offsets):
    windows = RandomWindows(positions(number), 4, 5, 1)
    seen = Counter(int(next(windows.epoch(epoch)).inputs[0, 0]) % 5 for epoch in range(300))
    assert sorted(seen) == list(range(offsets))
    assert min(seen.values()) > 300 / offsets / 2


def test_every_window_is_left_over_about_as_often_as_any_other():
    windows = RandomWindows(positions(1 + 2 * 7), 4, 2, 1)  # seven windows of which four fit; the offset is 0, 1 or 2 below bptt
    seen = Counter(target for epoch in range(600) for window in windows.epoch(epoch) for target in window.targets.ravel().tolist())
    middle = [seen[target] for target in range(2, 14)]
    assert set(seen) <= set(range(1, 15)) and min(middle) > 0.8 * max(middle)


# ---- scored ------------------------------------------------------------------------------------------------------------------------


@few
@given(**sizes)
def test_scored_windows_see_every_target_once_with_all_before_it_in_its_row(number, batch_size, bptt):
    windows = ScoredWindows(positions(number), batch_size, bptt)
    length = -(-(number - 1) // batch_size)
    seen, ended = [], set()
    for row, read, target in histories(windows.epoch(0)):
        if target == IGNORE:
            ended.add(row)
            assert read[-1] == 0
        else:
            assert row not in ended  # padding comes last
            assert read == tuple(range(row * length, target))
            seen.append(target)
    assert sorted(seen) == list(range(1, number))
    assert windows.targets_per_epoch == number - 1 and windows.left_over == 0
    assert len(list(windows.epoch(0))) == len(windows) == -(-length // bptt)


@few
@given(**sizes)
def test_only_the_first_scored_window_is_fresh_and_only_the_last_is_shorter(number, batch_size, bptt):
    found = list(ScoredWindows(positions(number), batch_size, bptt).epoch(0))
    assert [window.fresh for window in found] == [True] + [False] * (len(found) - 1)
    shapes = [window.inputs.shape for window in found]
    assert all(shape == (batch_size, bptt) for shape in shapes[:-1]) and 1 <= shapes[-1][1] <= bptt


def test_a_batch_of_one_reads_the_text_as_it_stands():
    found = plain(ScoredWindows(np.array([5, 6, 7, 8, 9]), 1, 3).epoch(0))
    assert found == [([[5, 6, 7]], [[6, 7, 8]], True), ([[8]], [[9]], False)]


def test_rows_beyond_a_short_text_are_padding():
    (window,) = ScoredWindows(np.array([5, 6]), 3, 4).epoch(0)
    assert plain([window]) == [([[5], [0], [0]], [[6], [IGNORE], [IGNORE]], True)]


# ---- all of them ---------------------------------------------------------------------------------------------------------------------

KINDS = {
    "sequential": SequentialWindows,
    "at an offset": lambda ids, batch_size, bptt, **rows: SequentialWindows(ids, batch_size, bptt, offset_seed=3, **rows),
    "random": lambda ids, batch_size, bptt, **rows: RandomWindows(ids, batch_size, bptt, 3, **rows),
    "scored": ScoredWindows,
}
each_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@each_kind
@pytest.mark.parametrize("processes", [1, 2, 3, 6])
def test_processes_share_the_rows_of_every_batch(kind, processes):
    whole = kind(positions(100), 6, 4)
    parts = [kind(positions(100), 6, 4, rows=rows_of(process, processes, 6)) for process in range(processes)]
    for window, *shares in zip(whole.epoch(1), *(part.epoch(1) for part in parts), strict=True):
        assert np.array_equal(np.concatenate([share.inputs for share in shares]), window.inputs)
        assert np.array_equal(np.concatenate([share.targets for share in shares]), window.targets)
        assert {share.fresh for share in shares} == {window.fresh}
    assert {(len(part), part.targets_per_epoch, part.left_over) for part in parts} == {
        (len(whole), whole.targets_per_epoch, whole.left_over)
    }


@each_kind
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int32, np.int64])
def test_any_integers_become_int64_of_their_own(kind, dtype):
    ids = (np.arange(60) % 200).astype(dtype)
    before = ids.copy()
    for inputs, targets, _ in kind(ids, 2, 5).epoch(0):
        assert inputs.dtype == targets.dtype == np.int64
        assert inputs.flags.c_contiguous and targets.flags.c_contiguous
        inputs[:], targets[:] = -1, -1
    assert np.array_equal(ids, before)


@each_kind
def test_a_memory_mapped_stream_is_read_like_any_other(kind, tmp_path):
    positions(100).tofile(tmp_path / "ids")
    mapped = np.memmap(tmp_path / "ids", np.uint32, "r")
    found = list(kind(mapped, 3, 4).epoch(0))
    assert plain(found) == plain(kind(positions(100), 3, 4).epoch(0))
    assert type(found[0].inputs) is np.ndarray


@each_kind
@pytest.mark.parametrize(("batch_size", "bptt", "message"), [(0, 5, "batch_size is 0"), (2, 0, "bptt is 0"), (-1, 5, "batch_size is -1")])
def test_sizes_below_one_are_refused(kind, batch_size, bptt, message):
    with pytest.raises(ConfigError, match=message):
        kind(positions(50), batch_size, bptt)


def test_a_seed_below_zero_is_refused():
    with pytest.raises(ConfigError, match="seed is -1"):
        RandomWindows(positions(50), 2, 3, -1)


@pytest.mark.parametrize("kind", [KINDS["sequential"], KINDS["random"]], ids=["sequential", "random"])
@pytest.mark.parametrize(("number", "said"), [(0, "0 tokens"), (1, "1 token:"), (12, "12 tokens")])
def test_a_text_too_short_for_one_window_says_what_it_takes(kind, number, said):
    with pytest.raises(InputError, match=rf"{said}.* 3 \* 4 \+ 1 = 13; .*--batch-size or --bptt"):
        kind(positions(number), 3, 4)


@pytest.mark.parametrize("kind", [KINDS["sequential"], KINDS["random"]], ids=["sequential", "random"])
def test_a_text_of_just_one_window_is_enough(kind):
    windows = kind(positions(13), 3, 4)
    assert (len(windows), windows.targets_per_epoch, windows.left_over) == (1, 12, 0)
    assert sorted(next(windows.epoch(0)).targets.ravel().tolist()) == list(range(1, 13))


@pytest.mark.parametrize("number", [0, 1])
def test_a_text_without_a_target_cannot_be_scored(number):
    with pytest.raises(InputError, match="nothing to predict"):
        ScoredWindows(positions(number), 2, 3)


@pytest.mark.parametrize(("batch_size", "processes", "advice"), [(10, 4, 8), (3, 2, 2), (1, 3, 3)])
def test_rows_that_cannot_be_shared_evenly_are_refused(batch_size, processes, advice):
    with pytest.raises(ConfigError, match=rf"batch_size is {batch_size}: {processes} processes .* --batch-size {advice}$"):
        rows_of(0, processes, batch_size)


# ---- LengthBuckets ---------------------------------------------------------------------------------------------------------------------

some_lengths = st.lists(st.integers(0, 12) | st.sampled_from([40, 100]), max_size=60)
bucket_sizes = {"batch_size": st.integers(1, 7), "batch_tokens": st.integers(1, 50)}


def greedy(lengths, batch_size, batch_tokens):
    """Documents by length, one added to a batch after the other until it is full."""
    found = []
    for number in sorted(range(len(lengths)), key=lambda number: lengths[number]):
        columns = max(1, lengths[number])
        if found and len(found[-1]) < batch_size and (len(found[-1]) + 1) * columns <= batch_tokens:
            found[-1].append(number)
        else:
            found.append([number])
    return found


@few
@given(lengths=some_lengths, **bucket_sizes)
def test_sorted_batches_are_filled_one_after_the_other_from_the_shortest_on(lengths, batch_size, batch_tokens):
    buckets = LengthBuckets(np.array(lengths, np.int64), batch_size, batch_tokens, 0)
    found = buckets.sorted(np.arange(len(lengths)))
    assert [batch.tolist() for batch in found] == greedy(lengths, batch_size, batch_tokens)


def test_some_documents_alone_can_be_sorted():
    buckets = LengthBuckets(np.array([5, 1, 4, 2, 3]), 2, 100, 0)
    assert [batch.tolist() for batch in buckets.sorted(np.array([0, 3, 4]))] == [[3, 4], [0]]


@few
@given(lengths=some_lengths, **bucket_sizes, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_an_epoch_has_every_document_once_in_batches_within_their_bounds(lengths, batch_size, batch_tokens, seed, epoch):
    batches = LengthBuckets(np.array(lengths, np.int64), batch_size, batch_tokens, seed).epoch(epoch)
    assert sorted(number for batch in batches for number in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(1, *(lengths[number] for number in batch))
        assert 1 <= len(batch) <= batch_size
        assert len(batch) == 1 or padded <= batch_tokens


def test_empty_documents_take_a_column_too():
    batches = LengthBuckets(np.zeros(5, np.int64), 9, 2, 0).sorted(np.arange(5))
    assert [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4]]


def test_a_document_longer_than_a_batch_is_alone():
    batches = LengthBuckets(np.array([3, 100_000, 2, 60_000, 1]), 4, 1000, 7).epoch(0)
    assert sorted(sorted(batch.tolist()) for batch in batches) == [[0, 2, 4], [1], [3]]


@few
@given(lengths=some_lengths, seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_the_order_depends_on_seed_and_epoch_alone(lengths, seed, epoch):
    array = np.array(lengths, np.int64)
    once = LengthBuckets(array, 3, 30, seed)
    once.epoch(epoch + 1)
    again = LengthBuckets(array, 3, 30, seed).epoch(epoch)
    assert [batch.tolist() for batch in once.epoch(epoch)] == [batch.tolist() for batch in again]


def test_epochs_and_seeds_differ_in_which_documents_are_together():
    lengths = np.arange(400) % 9
    together = set()
    for seed, epoch in itertools.product(range(3), range(3)):
        batches = LengthBuckets(lengths, 4, 1000, seed).epoch(epoch)
        together.add(frozenset(frozenset(batch.tolist()) for batch in batches))
    assert len(together) == 9


def test_the_batches_of_an_epoch_are_in_no_order_of_length():
    lengths = np.arange(1, 201)
    longest = [int(lengths[batch].max()) for batch in LengthBuckets(lengths, 4, 10_000, 1).epoch(0)]
    assert longest != sorted(longest) and longest != sorted(longest, reverse=True)


def test_little_of_a_batch_is_padding():
    lengths = np.random.default_rng(1).geometric(0.02, 3000)
    batches = LengthBuckets(lengths, 16, 10**6, 1).epoch(0)
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    assert padded < 1.06 * lengths.sum()


@pytest.mark.parametrize(
    ("batch_size", "batch_tokens", "message"), [(0, 5, "batch_size is 0"), (2, 0, "batch_tokens is 0"), (-1, 5, "batch_size is -1")]
)
def test_batches_of_nothing_are_refused(batch_size, batch_tokens, message):
    with pytest.raises(ConfigError, match=message):
        LengthBuckets(np.array([1, 2]), batch_size, batch_tokens, 0)
