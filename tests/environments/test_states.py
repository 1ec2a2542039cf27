import itertools

import pytest

from bulb.environments.states import MOVES, IllegalMoveError, State, move


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_only_listed_moves_are_allowed(before: State, after: State) -> None:
    if after in MOVES[before]:
        assert move(before, after) is after
    else:
        with pytest.raises(IllegalMoveError, match=f"from {before.value} to {after.value}"):
            move(before, after)


def test_the_end_is_final_and_reachable_from_everywhere() -> None:
    assert not MOVES[State.ENDED]
    assert all(State.ENDED in moves for state, moves in MOVES.items() if state is not State.ENDED)
