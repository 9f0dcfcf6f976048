"""What must hold for documents and facts however they are written: layout, variables, and who may fill a key."""

import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from authz.errors import AuthzError
from authz.formats.context_facts import is_reserved, parse_facts
from authz.formats.iam_json import parse_policy
from authz.identity.principal import user_principal
from authz.identity.records import Status, User
from authz.policy.compile import compile_policy, compile_policy_set
from authz.policy.decide import decide
from authz.policy.request import AccessRequest, Context, fold_key
from authz.wire.authz.v1.decision_pb2 import ContextValues
from tests.properties.policies import TEXTS, deterministic, documents, statements


def unlisted(value: Any) -> Any:
    """Write a list of one as the value alone."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


@deterministic
@given(statements(), st.sampled_from((None, 1, "\t")), st.booleans())
def test_layout_order_and_escapes_of_a_document_change_nothing(statement, indent, ascii_only):
    parsed = parse_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    # The order of conditions is the author's; the other members may stand in any.
    otherwise = {key: unlisted(value) for key, value in reversed(statement.items())}
    written = {"Statement": otherwise, "Version": "2012-10-17"}
    assert parse_policy(json.dumps(written, indent=indent, ensure_ascii=ascii_only)) == parsed


@deterministic
@given(documents())
def test_reading_a_document_twice_reads_the_same(document):
    text = json.dumps(document)
    first = parse_policy(text)
    assert parse_policy(text.encode()) == first
    assert parse_policy(f" \n{text}\t") == first


PREFIX, ARN = "s3:prefix", "aws:arn"
# Elements with a hole → does the statement match, for what is put in, and what is asked for?
HOLED = (
    ({"Resource": "arn:aws:s3:::${aws:username}/k"}, lambda name, asked: name == asked),
    ({"NotResource": "arn:aws:s3:::${aws:username}/k"}, lambda name, asked: name != asked),
    ({"Condition": {"StringEquals": {PREFIX: "x${aws:username}"}}}, lambda name, asked: name == asked),
    ({"Condition": {"StringLike": {PREFIX: "x${aws:username}"}}}, lambda name, asked: name == asked),
    ({"Condition": {"StringNotLike": {PREFIX: "x${aws:username}"}}}, lambda name, asked: name != asked),
    ({"Condition": {"ArnLike": {ARN: "arn:aws:s3:::${aws:username}/k"}}}, lambda name, asked: name == asked),
)  # fmt: skip
hostile = st.one_of(st.sampled_from(TEXTS), st.text("*?${}a:/", max_size=4))


@deterministic
@given(st.sampled_from(HOLED), hostile, hostile)
def test_no_value_becomes_a_wildcard_a_variable_or_another_part(holed, name, asked):
    elements, is_matched = holed
    statement = {"Effect": "Allow", "Action": "*", **elements}
    if "NotResource" not in elements:
        statement.setdefault("Resource", "*")
    document = {"Version": "2012-10-17", "Statement": [statement]}
    policies = compile_policy_set(
        [compile_policy(parse_policy(json.dumps(document)), arn="p", version=1)]
    )
    user = User(id="i", name=name, status=Status.ENABLED, created_at=0.0)
    principal = user_principal(user, (), "000000000001")
    resource = f"arn:aws:s3:::{asked}/k"
    context = Context(principal.facts, {}, {PREFIX: (f"x{asked}",), ARN: (resource,)}, 0.0)
    request = AccessRequest(principal, "s3:GetObject", resource, context)
    assert decide(request, policies).is_allowed is is_matched(name, asked)


IDENTITY_KEYS = ("aws:username", "aws:userid", "aws:PrincipalArn", "aws:PrincipalTag/team", "aws:groups", "aws:PrincipalType",
                 "aws:FederatedProvider", "aws:SourceIdentity", "aws:TokenIssueTime", "aws:CurrentTime", "aws:EpochTime",
                 "jwt:sub", "ldap:user", "saml:sub", "accounts.google.com:aud")  # fmt: skip


@st.composite
def spelled_otherwise(draw: st.DrawFn) -> str:
    """Draw one of these keys in any case."""
    key = draw(st.sampled_from(IDENTITY_KEYS))
    name, slash, rest = key.partition("/")
    letters = [draw(st.sampled_from((one.lower(), one.upper()))) for one in name]
    return "".join(letters) + slash + rest


@deterministic
@given(spelled_otherwise(), st.text(string.printable, max_size=3))
def test_no_spelling_of_a_key_lets_a_caller_write_an_identity_or_the_time(key, value):
    assert is_reserved(fold_key(key))
    try:
        facts = parse_facts({key: ContextValues(values=[value])}, "context")
    except AuthzError:
        return
    raise AssertionError(facts)


@deterministic
@given(st.dictionaries(st.sampled_from(("aws:username", "aws:principalarn", "aws:sourceip", "aws:currenttime", "s3:prefix")),
                       st.sampled_from(TEXTS).map(lambda one: (one,))))  # fmt: skip
def test_what_identity_and_server_say_is_never_replaced_by_a_request(facts):
    user = User(id="i", name="alice", status=Status.ENABLED, created_at=0.0)
    principal = user_principal(user, (), "000000000001")
    context = Context(principal.facts, {"aws:sourceip": ("192.0.2.1",)}, facts, 5.0)
    assert context.find("aws:username") == ("alice",)
    assert context.find("aws:principalarn") == (principal.arn,)
    assert context.find("aws:sourceip") == ("192.0.2.1",)
    assert context.find("aws:epochtime") == ("5",)
    assert context.find("aws:currenttime") == ("1970-01-01T00:00:05+00:00",)
    assert context.find("s3:prefix") == facts.get("s3:prefix")
