"""Long work takes turns with everything else, is all of one state of memory, and ends in time."""

import asyncio
from time import perf_counter

import pytest

from authz.access import turns as turns_module
from authz.access.turns import WORK_LIMIT, Turns
from authz.errors import OverloadedError
from tests.access.world import LONG


@pytest.fixture
def one_step_a_turn(monkeypatch):
    monkeypatch.setattr(turns_module, "TURN", -1.0)


async def test_short_work_is_done_without_a_pause(monkeypatch):
    monkeypatch.setattr(turns_module, "TURN", 60.0)
    work = Turns(lambda: 0, work_limit=LONG).do(iter(range(1000)), perf_counter())
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    assert ended.value.value == list(range(1000))


async def test_long_work_lets_others_go_first(one_step_a_turn):
    seen = []

    def steps():
        for n in range(5):
            seen.append(n)
            yield n

    async def other():
        for _ in range(5):
            seen.append("other")
            await asyncio.sleep(0)

    work = Turns(lambda: 0, work_limit=LONG).do(steps(), perf_counter())
    done, _ = await asyncio.gather(work, other())
    assert done == list(range(5))
    assert seen[:6] == [0, "other", 1, "other", 2, "other"]


async def test_several_pieces_of_work_hold_up_others_no_more_than_one(one_step_a_turn):
    turns, seen = Turns(lambda: 0, work_limit=LONG), []

    def steps(name):
        for _ in range(3):
            seen.append(name)
            yield name

    async def other():
        for _ in range(30):
            seen.append("-")
            await asyncio.sleep(0)

    started = perf_counter()
    pieces = (turns.do(steps("a"), started), turns.do(steps("b"), started))
    await asyncio.gather(*pieces, other())
    assert "".join(seen).count("ab") == "".join(seen).count("ba") == 0
    assert "".join(seen).replace("-", "") == "ababab"


async def test_work_that_memory_moved_away_from_is_left_where_it_is(one_step_a_turn):
    state, taken = [0], []

    def steps():
        for n in range(5):
            taken.append(n)
            if n == 2:
                state[0] += 1
            yield n

    assert await Turns(lambda: state[0], work_limit=LONG).do(steps(), perf_counter()) is None
    assert taken == [0, 1, 2]


async def test_work_that_takes_too_long_is_given_up(one_step_a_turn):
    turns, taken = Turns(lambda: 0, work_limit=LONG), []

    def steps():
        for n in range(5):
            taken.append(n)
            if n == 2:
                turns._work_limit = -1.0
            yield n

    with pytest.raises(OverloadedError):
        await turns.do(steps(), perf_counter())
    assert taken == [0, 1, 2]
    turns._work_limit = LONG
    assert await turns.do(iter("ab"), perf_counter()) == ["a", "b"]


async def test_where_nothing_is_said_work_is_given_up_when_a_proxy_no_longer_waits():
    turns, now = Turns(lambda: 0), perf_counter()
    with pytest.raises(OverloadedError):
        await turns.do(iter("ab"), now - WORK_LIMIT - 1.0)
