"""How often somebody may try to log in, by account, by source, and by one at the other."""

import pytest

from authz.clock import ManualClock
from authz.errors import OverloadedError
from authz.serving.login_limits import (
    ACCOUNT,
    ACCOUNT_AT_SOURCE,
    FORGOTTEN_AFTER,
    NAME_REMEMBERED,
    SOURCE,
    LoginLimits,
)

HERE, THERE = "192.0.2.7", "198.51.100.9"


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def limits(clock):
    return LoginLimits(clock)


def is_let_in(limits, account="ann", source=HERE) -> bool:
    """Try, and fail if let in."""
    try:
        limits.begin(account, source)
    except OverloadedError:
        return False
    return True


def fail(limits, times, account="ann", source=HERE):
    for _ in range(times):
        assert is_let_in(limits, account, source)


def test_a_few_mistakes_cost_nothing_and_then_each_costs_twice_as_long(limits, clock):
    fail(limits, ACCOUNT_AT_SOURCE.free + 1)
    for seconds in (1, 2, 4, 8, 16, 32):
        assert not is_let_in(limits)
        clock.advance(seconds - 0.01)
        assert not is_let_in(limits)
        clock.advance(0.01)
        assert is_let_in(limits)


def test_no_wait_is_longer_than_its_limit(limits, clock):
    for _ in range(100):
        clock.advance(ACCOUNT_AT_SOURCE.longest)
        assert is_let_in(limits)
    assert ACCOUNT_AT_SOURCE.delay(1_000_000) == ACCOUNT_AT_SOURCE.longest
    assert ACCOUNT_AT_SOURCE.delay(0) == 0


def test_who_is_refused_for_coming_too_soon_waits_no_longer_for_it(limits, clock):
    fail(limits, 6)
    for _ in range(100):
        assert not is_let_in(limits)
    clock.advance(1.0)
    assert is_let_in(limits)


def test_success_forgives_the_account_at_its_source_and_nothing_else(limits):
    fail(limits, 5)
    limits.begin("ann", HERE).succeed()
    fail(limits, 5)
    limits.begin("ann", HERE).succeed()
    # All ten failures still count for the source, whoever they were after.
    fail(limits, SOURCE.free + 1 - 10, account="")
    assert not is_let_in(limits, "")
    assert not is_let_in(limits, "bob")
    assert is_let_in(limits, "bob", THERE)


def test_what_nobody_could_tell_does_not_count(limits):
    for _ in range(1_000):
        limits.begin("ann", HERE).undo()
    fail(limits, 6)
    assert not is_let_in(limits)


def test_many_at_once_are_many(limits):
    begun = [limits.begin("ann", HERE) for _ in range(6)]
    assert not is_let_in(limits)
    begun[0].succeed()
    assert is_let_in(limits)


def test_one_source_after_many_accounts_is_slowed(limits):
    for number in range(SOURCE.free + 1):
        assert is_let_in(limits, f"user-{number}")
    assert not is_let_in(limits, "one-more")
    assert is_let_in(limits, "one-more", THERE)


def test_many_sources_after_one_account_slow_it_but_a_little(limits, clock):
    for number in range(ACCOUNT.free + 20):
        clock.advance(ACCOUNT.longest)
        assert is_let_in(limits, "ann", f"203.0.113.{number}")
    for number in range(30):
        is_let_in(limits, "ann", f"198.51.100.{number}")
    assert ACCOUNT.longest <= 10
    clock.advance(ACCOUNT.longest)
    assert is_let_in(limits, "ann", HERE)


def test_who_is_called_the_same_at_another_provider_is_somebody_else(limits):
    for _ in range(6):
        limits.begin("ann", HERE, provider="lab")
    with pytest.raises(OverloadedError):
        limits.begin("ANN", HERE, provider="lab")
    limits.begin("ann", HERE, provider="corp")


@pytest.mark.parametrize("spelling", ["ANN", " ann", "ann ", "\tann", "Ａｎｎ", "aNN"])
def test_spellings_that_a_directory_takes_for_one_are_one(limits, spelling):
    fail(limits, 6)
    assert not is_let_in(limits, spelling)


def test_names_that_are_nothing_are_remembered_too(limits):
    fail(limits, 6, account="   ")
    assert not is_let_in(limits, "   ")
    fail(limits, 6, account="x" * NAME_REMEMBERED, source=THERE)
    assert not is_let_in(limits, "x" * 100_000, THERE)


@pytest.mark.parametrize(("one", "other"), [
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
    ("192.0.2.1", "::ffff:192.0.2.1"),
])  # fmt: skip
def test_addresses_of_one_client_are_one_source(limits, one, other):
    fail(limits, 6, source=one)
    assert not is_let_in(limits, source=other)
    assert is_let_in(limits, source="2001:db8:1:3::1")


def test_without_an_address_the_account_alone_is_counted(limits):
    for source in ("", "unknown"):
        fail(limits, ACCOUNT.free // 2, source=source)
    fail(limits, 1, source="")
    assert not is_let_in(limits, source="")
    for _ in range(1_000):
        assert is_let_in(limits, "", "")


def test_mistakes_are_forgotten_little_by_little_however_busy_a_source_is(limits, clock):
    """Otherwise a site behind one address would be shut out by one mistyped password a day."""
    for number in range(400):
        clock.advance(FORGOTTEN_AFTER / SOURCE.free + 1)
        assert is_let_in(limits, f"user-{number}")
        limits.begin(f"good-{number}", HERE).succeed()
    fail(limits, 6)
    clock.advance(FORGOTTEN_AFTER)
    fail(limits, ACCOUNT_AT_SOURCE.free)


def test_a_long_attack_is_not_held_against_its_victims_for_long(limits, clock):
    for number in range(5_000):
        clock.advance(ACCOUNT.longest)
        is_let_in(limits, "ann", f"10.0.{number // 250}.{number % 250}")
    clock.advance(FORGOTTEN_AFTER * 2)
    fail(limits, 6)


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first(clock):
    limits = LoginLimits(clock, remembered=30)
    fail(limits, 6)
    for number in range(9):
        is_let_in(limits, f"user-{number}", f"10.0.0.{number}")
    assert not is_let_in(limits)
    for number in range(1_000):
        is_let_in(limits, f"user-{number}", f"10.1.{number // 250}.{number % 250}")
    assert is_let_in(limits)
    assert len(limits) <= 30
