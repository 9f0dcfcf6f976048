"""Random policies and half-known requests: what reach promises, decide keeps, whatever the rest of the request says."""

from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.policy import index
from authz.policy.applicable import Applicable
from authz.policy.compile import PolicySet
from authz.policy.decide import decide
from authz.policy.index import INDEX_MINIMUM
from authz.policy.reach import Certainty, find_certainty, find_reach
from authz.policy.request import AccessRequest, Context, Principal
from tests.properties.policies import KEYS, deterministic, document_lists, facts, requests
from tests.properties.test_layers import applicable_of, principals, situations
from tests.properties.test_policy import compiled
from tests.reference import evaluator

known_keys = st.sets(st.sampled_from(KEYS).map(evaluator.fold))


def about(
    request: AccessRequest, context: Any, principal: Principal | None = None
) -> AccessRequest:
    """The same question with other facts."""
    who = principal or request.principal
    return AccessRequest(
        who, request.action, request.resource, Context(who.facts, {}, context, 0.0), is_prefix=request.is_prefix,
    )  # fmt: skip


def check_promise(
    policies: PolicySet | Applicable,
    request: AccessRequest,
    known: set[str],
    others: list[dict[str, Any]],
) -> None:
    full = dict(request.context.server)
    shown = {key: values for key, values in full.items() if key in known}
    certainty = find_certainty(about(request, shown), policies, lambda key: key in known)
    for other in (full, {}, *others):
        agreeing = {key: values for key, values in other.items() if key not in known} | shown
        allowed = decide(about(request, agreeing), policies).is_allowed
        assert certainty is not Certainty.ALWAYS or allowed
        assert certainty is not Certainty.NO or not allowed
    # And where all is known, nothing is left open.
    everything = find_certainty(about(request, full), policies, lambda _: True)
    decided = decide(about(request, full), policies).is_allowed
    assert everything is (Certainty.ALWAYS if decided else Certainty.NO)


others_listed = st.lists(facts, min_size=1, max_size=6)


@pytest.mark.parametrize("minimum", [1, INDEX_MINIMUM], ids=["always indexed", "as shipped"])
@deterministic
@given(document_lists, requests(), known_keys, others_listed, st.booleans())
def test_what_is_certain_holds_in_every_context_that_agrees(
    minimum, listed, request_, known, others, is_prefix
):
    request_.is_prefix = is_prefix
    with mock.patch.object(index, "INDEX_MINIMUM", minimum):
        check_promise(compiled(listed), request_, known, others)


@deterministic
@given(situations, principals(), requests(), known_keys, others_listed, st.booleans())
def test_what_is_certain_holds_on_every_layer(given_, who, request_, known, others, is_prefix):
    request_.is_prefix = is_prefix
    request_.principal = who[0]
    # What vouches for a session is known with it.
    check_promise(applicable_of(given_), request_, known | set(who[0].facts), others)


@deterministic
@given(situations, principals(), principals(), requests(), known_keys)
def test_an_answer_that_is_not_personal_is_every_ones_of_that_kind(
    given_, who, other, request_, known
):
    policies = applicable_of(given_)
    if who[0].kind is not other[0].kind:
        return

    def ask(principal):
        shown = {key: values for key, values in request_.context.server.items() if key in known}
        return find_reach(about(request_, shown, principal), policies, lambda _: False)

    first = ask(who[0])
    assert first.is_personal or ask(other[0]).certainty is first.certainty
