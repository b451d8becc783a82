from collections import Counter

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from lexloom.text.counting import TypeTable

token_blocks = st.lists(st.lists(st.integers(0, 60).map(lambda number: f"w{number * number // 40}"), min_size=1, max_size=30), max_size=12)


def count(blocks, max_types=None):
    table = TypeTable(max_types)
    ids = [
        table.add(pl.Series(list(counted)), np.array(list(counted.values())))[[*map(list(counted).index, block)]]
        for block in blocks
        if (counted := Counter(block))
    ]
    return table.finish(), np.concatenate([np.empty(0, np.uint32), *ids])


@settings(max_examples=50, deadline=None)
@given(token_blocks)
def test_ids_follow_the_first_appearance(blocks):
    types, ids = count(blocks)
    everything = [token for block in blocks for token in block]
    assert types.tokens == list(dict.fromkeys(everything))
    assert [types.tokens[number] for number in ids] == everything
    assert types.counts.tolist() == list(Counter(everything).values())


@settings(max_examples=50, deadline=None)
@given(token_blocks, st.integers(1, 10))
def test_pruning_changes_neither_ids_nor_counts(blocks, max_types):
    whole, whole_ids = count(blocks)
    pruned, pruned_ids = count(blocks, max_types)
    assert pruned_ids.tolist() == whole_ids.tolist()
    assert pruned.counts.tolist() == whole.counts.tolist()
    assert pruned.tokens == [whole.tokens[number] for number in pruned.ids]
    assert len(pruned.tokens) <= max_types
    lost = np.setdiff1d(whole.ids, pruned.ids)
    assert not len(pruned.ids) or not len(lost) or len(whole.tokens) > max_types
