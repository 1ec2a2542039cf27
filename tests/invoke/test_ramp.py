from bulb.invoke import ramp
from bulb.invoke.ramp import Ramp


def test_it_starts_with_a_few_per_processor() -> None:
    assert ramp.start(2, 5.0) == Ramp(8, 5.0)


def test_it_doubles_every_second_that_events_wait_up_to_the_accounts_limit() -> None:
    state, seen = ramp.start(2, 0.0), []
    for tenths in range(100):
        state = ramp.step(state, 1.0, tenths / 10)
        seen.append(state.allowed)
    assert [seen[n] for n in (0, 9, 10, 19, 20, 30)] == [8, 8, 16, 16, 32, 64]
    assert seen[-1] == 1_000


def test_it_does_not_grow_while_the_processors_are_busy() -> None:
    assert ramp.step(Ramp(8, 0.0), 0.05, 60.0) == Ramp(8, 0.0)
    assert ramp.step(Ramp(8, 0.0), 0.5, 60.0) == Ramp(16, 60.0)
