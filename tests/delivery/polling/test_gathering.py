"""How claimed messages become batches."""

import dataclasses

from bulb.delivery.polling.gathering import Batch, Grouped, Item, Loose, Shape

TEN = Shape(10)


def item(number: int, group: str | None = None, *, size: int = 100, at: float = 0.0, passes: int = 0) -> Item:
    trace = f"Root=1;Lineage={number}" if passes else None
    return Item(f"m{number}", f"h{number}", b"x" * size, group, at, at + 30.0, trace, passes)


def numbers(batch: Batch | None) -> list[int]:
    assert batch is not None
    return [int(each.message_id[1:]) for each in batch.items]


def test_a_batch_without_a_window_goes_at_once() -> None:
    held = Loose()
    held.add(item(n) for n in range(25))
    assert [len(numbers(held.take(TEN, 0.0))) for _ in range(3)] == [10, 10, 5]
    assert held.take(TEN, 0.0) is None
    assert len(held) == 0


def test_a_window_begins_with_the_first_message_and_ends_when_the_batch_is_full() -> None:
    held, shape = Loose(), Shape(10, window_s=5.0)
    held.add([item(1, at=100.0), item(2, at=103.0)])
    assert held.take(shape, 104.9) is None
    assert held.due_at(shape) == 105.0
    assert numbers(held.take(shape, 105.0)) == [1, 2]
    assert held.due_at(shape) is None
    held.add(item(n, at=200.0) for n in range(12))
    assert len(numbers(held.take(shape, 200.0))) == 10
    assert held.take(shape, 200.0) is None
    assert Loose().due_at(shape) is None


def test_a_window_leaves_time_for_the_work() -> None:
    held, shape = Loose(), Shape(10, window_s=300.0)
    held.add([item(1, at=100.0)])
    assert held.due_at(shape) == 124.0


def test_a_batch_fits_into_an_invocation() -> None:
    held, shape = Loose(), Shape(10, window_s=5.0, most_bytes=1000)
    held.add(item(n, size=300) for n in range(5))
    assert numbers(held.take(shape, 0.0)) == [0, 1, 2], "full by its bytes, whatever the window"
    assert held.take(shape, 0.0) is None
    held.clear()
    exact = 14 + 2 * 301
    held.add(item(n, size=300) for n in range(3))
    assert len(numbers(held.take(Shape(10, most_bytes=exact), 0.0))) == 2
    held.clear()
    held.add([item(1, size=5000), item(2)])
    assert numbers(held.take(shape, 0.0)) == [1], "what never fits is alone"
    assert numbers(held.take(shape, 5.0)) == [2]


def test_claims_that_end_are_given_up() -> None:
    held = Loose()
    held.add([item(1, at=0.0), item(2, at=10.0)])
    assert [each.message_id for each in held.expired(29.9)] == ["m1"]
    assert held.expired(29.9) == []
    assert numbers(held.take(TEN, 30.0)) == [2]
    groups = Grouped()
    groups.add([item(1, "g", at=10.0), item(2, "g", at=0.0), item(3, "h", at=10.0)])
    assert [each.message_id for each in groups.expired(29.9)] == ["m1", "m2"], "what is behind must not overtake"
    assert numbers(groups.take(TEN, 29.9)) == [3]


def test_what_loops_is_by_itself() -> None:
    held = Loose()
    held.add([item(1), item(2, passes=16), item(3, passes=15), item(4, passes=17)])
    looping, others = held.take(TEN, 0.0), held.take(TEN, 0.0)
    assert (numbers(looping), numbers(others)) == ([2, 4], [1, 3])
    assert looping is not None
    assert others is not None
    assert looping.trace_header == "Root=1;Lineage=4"
    assert others.trace_header == "Root=1;Lineage=3", "the longest chain is continued"
    assert Batch((item(1), item(2))).trace_header is None
    alone = dataclasses.replace(item(1), trace="Root=9")
    assert Batch((alone,)).trace_header == "Root=9"
    assert Batch((alone, item(2))).trace_header is None, "a trace of many is nobody's"


def test_groups_are_in_one_batch_at_a_time_and_share_batches() -> None:
    held = Grouped()
    held.add([item(1, "a"), item(2, "b"), item(3, "a"), item(4, "c")])
    first = held.take(TEN, 0.0)
    assert numbers(first) == [1, 3, 2, 4]
    assert first is not None
    assert first.groups == {"a", "b", "c"}
    held.add([item(5, "a"), item(6, "d")])
    second = held.take(TEN, 0.0)
    assert numbers(second) == [6], "a is under way"
    assert held.take(TEN, 0.0) is None
    held.done(first.groups)
    assert numbers(held.take(TEN, 0.0)) == [5]


def test_a_group_is_not_divided_between_batches() -> None:
    held = Grouped()
    held.add(
        [item(n, "a") for n in range(7)] + [item(n, "b") for n in range(10, 15)] + [item(n, "c") for n in (20, 21)]
    )
    assert numbers(held.take(TEN, 0.0)) == [0, 1, 2, 3, 4, 5, 6, 20, 21]
    assert numbers(held.take(TEN, 0.0)) == [10, 11, 12, 13, 14]
    long = Grouped()
    long.add(item(n, "a") for n in range(25))
    batch = long.take(TEN, 0.0)
    assert numbers(batch) == list(range(10))
    assert long.take(TEN, 0.0) is None
    assert [each.message_id for each in long.leave({"a", "z"})] == [f"m{n}" for n in range(10, 25)]
    assert len(long) == 0


def test_groups_with_chains_that_loop_and_with_large_records() -> None:
    held = Grouped()
    held.add([item(1, "a"), item(2, "a", passes=16), item(3, "a"), item(4, "b")])
    assert numbers(held.take(TEN, 0.0)) == [1, 4]
    held.done({"a", "b"})
    assert numbers(held.take(TEN, 0.0)) == [2]
    held.done({"a"})
    assert numbers(held.take(TEN, 0.0)) == [3]
    large, shape = Grouped(), Shape(10, most_bytes=1000)
    large.add([item(1, "a", size=600), item(2, "b", size=600), item(3, "c", size=5000)])
    assert [numbers(large.take(shape, 0.0)) for _ in range(3)] == [[1], [2], [3]]
    assert large.take(shape, 0.0) is None
