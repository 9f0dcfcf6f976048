"""Every scenario through every surface that can be asked; see `docs/conformance.md`."""

from collections import Counter

import pytest

from tests.conformance.http_form import NoForm
from tests.conformance.runner import NOT_WRITTEN, check_invalid, compare
from tests.conformance.scenarios import SURFACES, Scenario, read_all
from tests.conformance.tally import DEVIATION, NOT_RUN, RUN

SCENARIOS = read_all()
INVALID = [scenario for scenario in SCENARIOS if "invalid" in scenario.then]
ASKABLE = [scenario for scenario in SCENARIOS if "invalid" not in scenario.then]
ENOUGH = 400

SEEN: set[tuple[str, str]] = set()
"""Scenario and surface of each case that was tried."""
USED: set[tuple[str, str, str]] = set()
"""Topic, surface and reason of each declaration of `not_through` that some case needed."""


def _marked(scenario: Scenario, surface: str):
    reason = scenario.known_deviation.get(surface)
    marks = [] if reason is None else [pytest.mark.xfail(reason=reason, raises=AssertionError)]
    return pytest.param(surface, scenario.id, id=f"{scenario.id}:{surface}", marks=marks)


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize(("surface", "name"), [_marked(s, u) for s in ASKABLE for u in SURFACES])
async def test_the_engine_says_what_the_scenario_says(engines, surface, name, record_property):
    engine, placed = engines[name]
    scenario = placed.scenario
    SEEN.add((name, surface))
    try:
        outcome = await engine.ask(surface, placed)
    except NoForm as reason:
        declared = scenario.not_through.get(surface)
        if declared is None:
            pytest.fail(f"cannot be asked ({reason}), and the scenario does not say so")
        USED.add((scenario.topic, surface, declared))
        record_property(NOT_RUN, (scenario.topic, surface, declared))
        if surface in scenario.known_deviation:
            pytest.xfail("not asked here")
        return
    record_property(RUN, (scenario.topic, surface))
    if surface in scenario.known_deviation:
        record_property(DEVIATION, (f"{name}:{surface}", scenario.known_deviation[surface]))
    compare(placed, outcome)


@pytest.mark.parametrize("scenario", INVALID, ids=lambda scenario: scenario.id)
def test_a_document_that_means_nothing_is_refused_with_its_place(scenario, record_property):
    check_invalid(scenario)
    record_property(RUN, (scenario.topic, "decide"))
    for surface in ("authz_v1", "ext_authz"):
        record_property(NOT_RUN, (scenario.topic, surface, NOT_WRITTEN))


def test_every_scenario_has_an_id_of_its_own():
    twice = [name for name, count in Counter(s.id for s in SCENARIOS).items() if count > 1]
    assert twice == []


def test_no_reason_for_leaving_a_surface_out_is_stale():
    tried = Counter(s.topic for s in ASKABLE for surface in SURFACES if (s.id, surface) in SEEN)
    whole = {
        topic
        for topic, count in Counter(s.topic for s in ASKABLE).items()
        if tried[topic] == count * len(SURFACES)
    }
    declared = {
        (s.topic, surface, reason)
        for s in ASKABLE
        if s.topic in whole
        for surface, reason in s.not_through.items()
    }
    assert declared - USED == set()


def test_there_are_enough_scenarios_and_each_topic_has_some():
    assert len(SCENARIOS) >= ENOUGH
    assert all(count > 1 for count in Counter(s.topic for s in SCENARIOS).values())
