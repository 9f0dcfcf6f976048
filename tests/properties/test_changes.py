"""What explanations promise: with all the changes made that they name, the request is allowed; a hypothesis decides."""

import json
import re
from dataclasses import replace
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from authz.formats.iam_json import parse_policy
from authz.policy.applicable import Applicable
from authz.policy.compile import compile_policy
from authz.policy.decide import decide
from authz.policy.explain import Hypothesis, explain
from authz.policy.principals import find_role
from authz.policy.request import AccessRequest, Principal, PrincipalKind
from tests.properties.policies import deterministic, requests
from tests.properties.test_layers import (
    KINDS,
    applicable_of,
    asked_by,
    documents_of,
    layer_statements,
    principals,
    several,
    situations,
)
from tests.reference.evaluator import Documented

ASKING = tuple(kind for kind in KINDS if kind is not PrincipalKind.FEDERATED)
"""Who asks for anything but a role on a provider's word; for that, no policy of its own is changed."""

ALLOW = re.compile(
    r"statement (\d+)(?: \(.*?\))? of `([A-Z_]+):(\d+)` must allow `.*, which it misses by (.*)"
)
NOT_DENY = re.compile(r"statement (\d+)(?: \(.*?\))? of `([A-Z_]+):(\d+)` must not deny it")
FIELDS = {
    "IDENTITY": "identity",
    "PERMISSIONS_BOUNDARY": "boundary",
    "SERVICE_ACCOUNT_POLICY": "service_account",
    "RESOURCE_POLICY": "resource",
    "SESSION_POLICY": "sessions",
}
WHERE = {
    "a policy of the principal must allow": "identity",
    "the permissions boundary must allow": "boundary",
    "each set of session policies must allow": "sessions",
    "the service account's own policy must allow": "service_account",
    "a policy of the resource must allow": "resource",
}


def naming(principal: Principal) -> Any:
    """Return a `Principal` that names a user by itself, and a session by its role."""
    if principal.kind is PrincipalKind.ANONYMOUS:
        return "*"
    return {"AWS": find_role(principal) or principal.arn}


def allowing(request: AccessRequest, *, of_resource: bool = False) -> dict[str, Any]:
    """Return a document that allows what is asked."""
    statement = {"Effect": "Allow", "Action": request.action, "Resource": "*"}
    named = {"Principal": naming(request.principal)} if of_resource else {}
    return {"Version": "2012-10-17", "Statement": [statement | named]}


def widened(statement: dict[str, Any], misses: str, request: AccessRequest) -> dict[str, Any]:
    """Return an allow without what it misses by, naming whom it names if it names who asks."""
    kept = {element: value for element, value in statement.items() if element.endswith("Principal")}
    if not {"Principal", "NotPrincipal"}.isdisjoint(misses.split(", ")):
        kept = {"Principal": naming(request.principal)}
    return {"Effect": "Allow", "Action": request.action, "Resource": "*", **kept}


def changed(given_: Documented, changes: tuple[str, ...], request: AccessRequest) -> Documented:
    """Do what the sentences say."""
    documents = {field: getattr(given_, field) for field in FIELDS.values()}
    documents["sessions"] = next(iter(given_.sessions), None)
    # A document in which nothing is left is none, so what is taken away becomes a statement about nothing.
    documents = json.loads(json.dumps(documents))
    for change in changes:
        if found := NOT_DENY.fullmatch(change):
            document = documents[FIELDS[found[2]]][int(found[3])]
            document["Statement"][int(found[1])] |= {"Action": "no:Thing", "NotAction": None}
        elif found := ALLOW.fullmatch(change):
            document = documents[FIELDS[found[2]]][int(found[3])]
            old = document["Statement"][int(found[1])]
            document["Statement"][int(found[1])] = widened(old, found[4], request)
        else:
            field = next(field for start, field in WHERE.items() if change.startswith(start))
            added = allowing(request, of_resource=field == "resource")
            documents[field] = [*documents[field], added]
    for listed in documents.values():
        for document in listed or ():
            for statement in document["Statement"]:
                if statement.get("NotAction", ...) is None:
                    del statement["NotAction"]
    sessions = [] if documents["sessions"] is None else [documents.pop("sessions")]
    return Documented(**{**documents, "sessions": sessions})


# Documents of several sets of a session are called alike, so a deny of one could not be told from another's.
one_session = situations.filter(lambda given_: len(given_.sessions) < 2)


@deterministic
@given(one_session, principals(ASKING), requests(), st.booleans())
def test_with_all_changes_made_the_request_is_allowed(given_, who, request_, is_prefix):
    request_.is_prefix = is_prefix
    explanation = explain(asked_by(who[0], request_), applicable_of(given_))
    event(f"{len(explanation.changes)} changes for {who[0].kind.value}")
    after = changed(given_, explanation.changes, request_)
    assert decide(request_, applicable_of(after)).is_allowed, explanation.changes


@deterministic
@given(one_session, principals(ASKING), requests())
def test_none_of_the_changes_is_idle(given_, who, request_):
    explanation = explain(asked_by(who[0], request_), applicable_of(given_))
    for change in explanation.changes:
        others = tuple(one for one in explanation.changes if one != change)
        after = changed(given_, others, request_)
        assert not decide(request_, applicable_of(after)).is_allowed, change


def compiled(listed: Any, name: str) -> tuple[Any, ...]:
    return tuple(
        compile_policy(parse_policy(json.dumps(document)), arn=f"{name}[{index}]", version=1)
        for index, document in enumerate(listed)
    )


one_document = documents_of(layer_statements())


@deterministic
@given(
    situations,
    several,
    several,
    st.one_of(st.none(), one_document),
    principals(ASKING),
    requests(),
    st.booleans(),
)
def test_a_hypothesis_is_explained_as_it_is_decided(
    given_, identity, sessions, boundary, who, request_, is_without_own
):
    hypothesis = Hypothesis(
        identity=compiled(identity, "identity"),
        is_without_own=is_without_own,
        sessions=compiled(sessions, "sessions"),
        boundary=None if boundary is None else compiled([boundary], "boundary")[0],
    )
    asked_by(who[0], request_)
    own = applicable_of(given_)
    applicable = hypothesis.applied_to(own)
    assert explain(request_, applicable).decision == decide(request_, applicable)
    same = replace(
        given_,
        identity=[*([] if is_without_own else given_.identity), *identity],
        boundary=[boundary]
        if boundary is not None
        else None
        if is_without_own
        else given_.boundary,
        sessions=[*given_.sessions, *([sessions] if sessions else [])],
    )
    assert decide(request_, applicable).verdict is decide(request_, applicable_of(same)).verdict


def test_a_hypothesis_that_assumes_nothing_changes_nothing():
    empty = Applicable()
    assert Hypothesis().applied_to(empty).narrowing == ()
