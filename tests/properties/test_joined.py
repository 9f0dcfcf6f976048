"""Two sets joined decide, explain and reach like the one set of all their policies, however they are indexed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.policy.applicable import Applicable
from authz.policy.compile import compile_policy_set
from authz.policy.decide import decide
from authz.policy.decision import Layer
from authz.policy.explain import explain
from authz.policy.joined import JoinedSet
from authz.policy.reach import find_certainty, list_spelled_actions
from tests.properties.policies import INDEXINGS, deterministic, indexed, requests
from tests.properties.test_layers import compile_all, documents_of, layer_statements

listed = st.lists(documents_of(layer_statements()), min_size=1, max_size=3)
identity = compile_all(
    [{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}],
    Layer.IDENTITY,
)


def plain(decision):
    where = decision.statement
    return decision.verdict, decision.reason, where and (where.policy, where.index)


@pytest.mark.parametrize("indexing", INDEXINGS)
@deterministic
@given(listed, listed, st.lists(requests(), min_size=1, max_size=4), st.booleans())
def test_joined_sets_are_one_set(indexing, first, second, asked, is_prefix):
    layer = Layer.SESSION_POLICY
    with indexed(indexing):
        whole = compile_all([*first, *second], layer)
        joined = JoinedSet(
            compile_policy_set(whole.policies[: len(first)], layer=layer),
            compile_policy_set(whole.policies[len(first) :], layer=layer),
        )
        both, one = (Applicable(identity, sessions=[own]) for own in (joined, whole))
        for request in asked:
            request.is_prefix = is_prefix
            # Of several denies below a prefix any may be named.
            told = slice(2) if is_prefix else slice(3)
            expected = plain(decide(request, one))[told]
            assert plain(decide(request, both))[told] == expected
            assert plain(explain(request, both).decision)[told] == expected
            assert find_certainty(request, both) is find_certainty(request, one)
        assert list(list_spelled_actions(both)) == list(list_spelled_actions(one))


def test_sets_of_two_layers_are_never_joined():
    with pytest.raises(ValueError, match="two layers"):
        JoinedSet(identity, compile_all([], Layer.SESSION_POLICY))
