"""Random documents of every kind, principals and requests: decide, the naive evaluator and explain agree; the laws hold."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.policy.applicable import Applicable
from authz.policy.compile import (
    PolicySet,
    QuarantinedPolicy,
    compile_policy,
    compile_policy_set,
    compile_resource_policy,
)
from authz.policy.decide import decide, decide_federated_trust, decide_trust
from authz.policy.decision import Layer, Reason, Verdict
from authz.policy.explain import explain
from authz.policy.request import AccessRequest, Principal, PrincipalKind
from tests.properties.policies import INDEXINGS, deterministic, indexed, requests, statements
from tests.reference import evaluator
from tests.reference.evaluator import Documented, Who

# Few names, so that they collide; some of them are another's name of another kind.
ACCOUNTS = ("000000000001", "000000000001", "000000000002")
NAMES = ("a", "a", "b", "root")
PROVIDERS = ("arn:aws:iam::000000000001:oidc-provider/p", "p.example")
IDS = (
    "*",
    *ACCOUNTS[1:],
    *NAMES[1:],
    *(f"arn:aws:iam::{account}:{rest}" for account in ACCOUNTS[1:]
      for rest in ("root", "user/a", "role/a", "role/x/a")),
    *(f"arn:aws:sts::{ACCOUNTS[0]}:assumed-role/{rest}" for rest in ("a/a", "a/a", "a/b")),
)  # fmt: skip
LAYERS = ("boundary", "service_account")
KINDS = (*PrincipalKind, PrincipalKind.USER, PrincipalKind.ASSUMED_ROLE)


@st.composite
def principals(draw: st.DrawFn, kinds: tuple[PrincipalKind, ...] = KINDS) -> tuple[Principal, Who]:
    kind = draw(st.sampled_from(kinds))
    account = draw(st.sampled_from(ACCOUNTS))
    name, session = draw(st.sampled_from(NAMES)), draw(st.sampled_from(NAMES))
    role, provider = "", draw(st.sampled_from(("", *PROVIDERS)))
    arn = f"arn:aws:iam::{account}:user/{name}"
    if kind is PrincipalKind.ROOT:
        arn, name = f"arn:aws:iam::{account}:root", "root"
    elif kind is PrincipalKind.ASSUMED_ROLE:
        path = draw(st.sampled_from(("", "x/")))
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        role, name = f"arn:aws:iam::{account}:role/{path}{name}", session
    elif kind is PrincipalKind.ANONYMOUS:
        arn = name = account = ""
    elif kind is PrincipalKind.FEDERATED:
        arn, account = provider, ""
    vouched = {PrincipalKind.USER, PrincipalKind.ASSUMED_ROLE, PrincipalKind.FEDERATED}
    facts = {"aws:federatedprovider": (provider,)} if provider and kind in vouched else {}
    known = "" if "/x/" not in role and draw(st.booleans()) else role
    principal = Principal(
        arn=arn, kind=kind, account=account, id="i", name=name, facts=facts, role=known
    )
    return principal, Who(kind.value, arn, name, account, role, provider if facts else "")


principal_elements = st.one_of(
    st.just("*"),
    st.fixed_dictionaries(
        {"AWS": st.one_of(st.sampled_from(IDS), st.lists(st.sampled_from(IDS), min_size=1, max_size=4))},
        optional={"Federated": st.sampled_from(PROVIDERS), "Service": st.just("s3.amazonaws.com")},
    ),
    st.fixed_dictionaries({"Federated": st.lists(st.sampled_from(PROVIDERS), min_size=1)}),
)  # fmt: skip


MOSTLY_ALLOW: Final = ("Allow", "Allow", "Allow", "Allow", "Deny")
"""So that a request gets past the layers often enough to be decided by the last."""


@st.composite
def layer_statements(draw: st.DrawFn) -> dict[str, Any]:
    if draw(st.integers(0, 2)):
        effect = draw(st.sampled_from(MOSTLY_ALLOW))
        return {"Effect": effect, "Action": draw(st.sampled_from(("*", "s3:*", "s3:Put*"))), "Resource": "*"}  # fmt: skip
    return draw(statements(MOSTLY_ALLOW))


def documents_of(listed: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({
        "Version": st.sampled_from(("2012-10-17", "2008-10-17")),
        "Statement": st.lists(listed, min_size=1, max_size=3),
    })  # fmt: skip


@st.composite
def resource_statements(draw: st.DrawFn) -> dict[str, Any]:
    element = draw(st.sampled_from(("Principal", "Principal", "NotPrincipal")))
    return {**draw(layer_statements()), element: draw(principal_elements)}


several = st.lists(documents_of(layer_statements()), max_size=2)
perhaps = st.one_of(st.none(), several)
situations = st.builds(
    Documented,
    identity=several,
    boundary=perhaps,
    sessions=st.one_of(st.just([]), st.lists(several, max_size=2)),
    service_account=perhaps,
    resource=st.lists(documents_of(resource_statements()), max_size=2),
)


def compile_all(
    listed: Any, layer: Layer, compile_one: Callable[..., Any] = compile_policy
) -> PolicySet:
    kind = {"kind": RESOURCE_POLICY} if layer is Layer.RESOURCE_POLICY else {}
    return compile_policy_set(
        (
            compile_one(
                parse_policy(json.dumps(document), **kind), arn=f"{layer.value}:{index}", version=1
            )
            for index, document in enumerate(listed)
        ),
        layer=layer,
    )


def applicable_of(given_: Documented) -> Applicable:
    def perhaps_compiled(listed: Any, layer: Layer) -> PolicySet | None:
        return None if listed is None else compile_all(listed, layer)

    return Applicable(
        compile_all(given_.identity, Layer.IDENTITY),
        boundary=perhaps_compiled(given_.boundary, Layer.PERMISSIONS_BOUNDARY),
        sessions=[compile_all(listed, Layer.SESSION_POLICY) for listed in given_.sessions],
        service_account=perhaps_compiled(given_.service_account, Layer.SERVICE_ACCOUNT_POLICY),
        resource=compile_all(given_.resource, Layer.RESOURCE_POLICY, compile_resource_policy),
    )


def asked_by(principal: Principal, request: AccessRequest) -> AccessRequest:
    request.principal = principal
    return request


asked_actions = st.sampled_from(
    ("s3:GetObject", "s3:PutObject", "s3:PutBucketPolicy", "S3:putbucketpolicy")
)


@pytest.mark.parametrize("indexing", INDEXINGS)
@deterministic
@given(situations, st.lists(st.tuples(principals(), requests(), asked_actions), min_size=1, max_size=4))  # fmt: skip
def test_decide_agrees_with_the_reference_evaluator_on_every_layer(indexing, given_, asked):
    with indexed(indexing):
        applicable = applicable_of(given_)
        for (principal, who), request, action in asked:
            request.action = action
            expected = evaluator.evaluate_all(
                given_, who, action, request.resource, request.context.find
            )
            decision = decide(asked_by(principal, request), applicable)
            assert decision.verdict == expected, (given_, who, decision)


@pytest.mark.parametrize("indexing", INDEXINGS)
@deterministic
@given(situations, st.lists(st.tuples(principals(), requests()), min_size=1, max_size=4))
def test_whom_a_role_trusts_agrees_with_the_reference_evaluator(indexing, given_, asked):
    with indexed(indexing):
        applicable = applicable_of(given_)
        for (principal, who), request in asked:
            expected = evaluator.evaluate_trust(
                given_, who, request.action, request.resource, request.context.find
            )
            decision = decide_trust(asked_by(principal, request), applicable)
            assert decision.verdict == expected, (given_, who, decision)


federated = principals((PrincipalKind.FEDERATED,))
trusts = st.lists(documents_of(resource_statements()), max_size=3)


@pytest.mark.parametrize("indexing", INDEXINGS)
@deterministic
@given(trusts, st.lists(st.tuples(federated, requests()), min_size=1, max_size=4))
def test_whom_a_role_trusts_on_a_providers_word_agrees_with_the_reference_evaluator(
    indexing, listed, asked
):
    with indexed(indexing):
        trust = compile_all(listed, Layer.RESOURCE_POLICY, compile_resource_policy)
        for (principal, who), request in asked:
            expected = evaluator.evaluate_federated_trust(
                listed, who, request.action, request.resource, request.context.find
            )
            decision = decide_federated_trust(asked_by(principal, request), trust)
            assert decision.verdict == expected, (listed, who, decision)


@deterministic
@given(trusts, federated, requests())
def test_a_trust_policy_that_names_no_provider_of_theirs_lets_nobody_in(listed, who, request_):
    principal, known = who
    kept = [
        {**document, "Statement": statements_}
        for document in listed
        if (
            statements_ := [
                one
                for one in document["Statement"]
                if ("Federated", known.provider)
                not in evaluator.listed_ids(one.get("Principal", {}))
            ]
        )
    ]
    trust = compile_all(kept, Layer.RESOURCE_POLICY, compile_resource_policy)
    assert not decide_federated_trust(asked_by(principal, request_), trust).is_allowed


@deterministic
@given(situations, principals(), requests())
def test_nobody_assumes_a_role_who_is_not_allowed_to_or_not_trusted(given_, who, request_):
    asked_by(who[0], request_)
    if decide_trust(request_, applicable_of(given_)).is_allowed:
        assert decide(request_, applicable_of(given_)).is_allowed
        assert who[1].type in {"User", "AssumedRole"}
        untrusted = applicable_of(replace(given_, resource=[]))
        assert not decide_trust(request_, untrusted).is_allowed


@deterministic
@given(situations, st.lists(st.tuples(principals(), requests()), min_size=1, max_size=4), st.booleans())  # fmt: skip
def test_explain_agrees_with_decide_on_every_layer(given_, asked, is_prefix):
    applicable = applicable_of(given_)
    for (principal, _), request in asked:
        request.is_prefix = is_prefix
        decision = decide(asked_by(principal, request), applicable)
        explanation = explain(request, applicable)
        assert explanation.decision == decision
        matched = [s.statement for p in explanation.policies for s in p.statements if s.is_matched]
        assert decision.statement is None or decision.statement in matched
        assert bool(explanation.changes) is not decision.is_allowed
        if explanation.nearest is not None:
            assert decision.verdict is Verdict.IMPLICITLY_DENIED
            assert not explanation.nearest.is_matched


def with_one_more(given_: Documented, where: str, statement: dict[str, Any]) -> Documented:
    added = {"Version": "2012-10-17", "Statement": [statement]}
    if where == "sessions":
        first, *others = given_.sessions or [[]]
        return replace(given_, sessions=[[*first, added], *others])
    if where == "resource":
        added = {"Version": "2012-10-17", "Statement": [{"Principal": "*", **statement}]}
    return replace(given_, **{where: [*(getattr(given_, where) or ()), added]})


# Properties tried once for each layer make do with fewer examples each.
deterministic_by_layer = settings(
    deterministic, max_examples=max(1, deterministic.max_examples // 4)
)

everywhere = pytest.mark.parametrize(
    "where", ["identity", "boundary", "sessions", "service_account", "resource"]
)


@everywhere
@deterministic_by_layer
@given(situations, principals(), requests(), statements(effects=("Deny",)), st.booleans())
def test_adding_a_deny_to_any_layer_never_allows(where, given_, who, request_, deny, is_prefix):
    request_.is_prefix = is_prefix
    asked_by(who[0], request_)
    narrower = with_one_more(given_, where, deny)
    if decide(request_, applicable_of(narrower)).is_allowed:
        assert decide(request_, applicable_of(given_)).is_allowed


@everywhere
@deterministic_by_layer
@given(situations, principals(), requests(), statements(effects=("Allow",)), st.booleans())
def test_removing_an_allow_from_any_layer_never_allows(
    where, given_, who, request_, allow, is_prefix
):
    request_.is_prefix = is_prefix
    asked_by(who[0], request_)
    wider = with_one_more(given_, where, allow)
    # Taking the whole layer away is no narrowing, so the one without the allow keeps an empty one.
    base = {"sessions": [[]]} if where == "sessions" else {where: []}
    before = given_ if getattr(given_, where) else replace(given_, **base)
    if decide(request_, applicable_of(before)).is_allowed:
        assert decide(request_, applicable_of(wider)).is_allowed


@deterministic
@given(situations, principals(), requests(), several)
def test_another_layer_that_narrows_never_allows(given_, who, request_, listed):
    asked_by(who[0], request_)
    before = decide(request_, applicable_of(given_)).is_allowed
    for narrower in (
        replace(given_, sessions=[*given_.sessions, listed]),
        *(replace(given_, **{where: listed}) for where in LAYERS if getattr(given_, where) is None),
    ):
        assert before or not decide(request_, applicable_of(narrower)).is_allowed


def shuffled(listed: Any, random: Any) -> Any:
    return [
        {**document, "Statement": random.sample(document["Statement"], len(document["Statement"]))}
        for document in random.sample(listed, len(listed))
    ]


def split(listed: Any) -> Any:
    return [{**document, "Statement": one} for document in listed for one in document["Statement"]]


def merged(listed: Any) -> Any:
    versions = sorted({document["Version"] for document in listed})
    return [
        {"Version": version, "Statement": [one for document in listed if document["Version"] == version
                                           for one in document["Statement"]]}
        for version in versions
    ]  # fmt: skip


def rearranged(given_: Documented, change: Callable[[Any], Any]) -> Documented:
    return Documented(
        identity=change(given_.identity),
        boundary=None if given_.boundary is None else change(given_.boundary),
        sessions=[change(listed) for listed in given_.sessions],
        service_account=None if given_.service_account is None else change(given_.service_account),
        resource=change(given_.resource),
    )


@deterministic
@given(situations, principals(), requests(), st.randoms(use_true_random=False), st.booleans())
def test_order_splitting_and_merging_change_nothing(given_, who, request_, random, is_prefix):
    request_.is_prefix = is_prefix
    asked_by(who[0], request_)
    verdict = decide(request_, applicable_of(given_)).verdict
    for change in (lambda listed: shuffled(listed, random), split, merged):
        assert decide(request_, applicable_of(rearranged(given_, change))).verdict is verdict
    backwards = replace(given_, sessions=given_.sessions[::-1])
    assert decide(request_, applicable_of(backwards)).verdict is verdict


@deterministic
@given(situations, principals(), requests(is_prefix=True), st.text("ab/:", max_size=3))
def test_a_prefix_is_allowed_in_every_layer_only_if_everything_below_it_is(
    given_, who, request_, extension
):
    applicable = applicable_of(given_)
    decision = decide(asked_by(who[0], request_), applicable)
    below = AccessRequest(who[0], request_.action, request_.resource + extension, request_.context)
    verdict = decide(below, applicable).verdict
    assert verdict is Verdict.ALLOWED or not decision.is_allowed
    if verdict is Verdict.EXPLICITLY_DENIED:
        assert decision.verdict is Verdict.EXPLICITLY_DENIED


@everywhere
@deterministic_by_layer
@given(situations, principals(), requests())
def test_a_policy_that_cannot_be_read_denies_wherever_it_applies(where, given_, who, request_):
    broken = compile_policy_set([QuarantinedPolicy("arn:broken", 1, "?")])
    whole = applicable_of(given_)
    fields = {
        "identity": whole.identity,
        "boundary": None,
        "sessions": (),
        "service_account": None,
        "resource": whole.resource,
        where: (broken,) if where == "sessions" else broken,
    }
    decision = decide(asked_by(who[0], request_), Applicable(**fields))
    is_applying = where != "identity" or who[1].type in {"User", "AssumedRole"}
    assert (decision.reason is Reason.QUARANTINE) is is_applying
    assert not (is_applying and decision.is_allowed)
