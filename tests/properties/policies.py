"""Strategies of random documents and requests, and how many examples are tried.

Small alphabets, so that patterns, names and values collide.
"""

import os
from contextlib import AbstractContextManager
from typing import Any, Final
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.database import DirectoryBasedExampleDatabase

from authz.policy import index
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind
from tests.reference import evaluator

_ENVIRONMENT: Final = os.environ  # noqa: TID251 # the runner of a long search sets these, not the service
EXAMPLES: Final = int(_ENVIRONMENT.get("FUZZ_EXAMPLES", "0"))
"""How many examples each property tries: 0 for the few that every run tries, the same on every machine."""
DATABASE: Final = _ENVIRONMENT.get("FUZZ_DATABASE", ".hypothesis/fuzz")
"""The folder that keeps what failed, shrunk."""

if EXAMPLES:
    # What failed is tried first in the next run.
    deterministic = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=DirectoryBasedExampleDatabase(DATABASE),
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
else:
    # The same examples in every run: a failure on one machine is a failure on all.
    deterministic = settings(
        max_examples=200,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )

KEYS = (
    "aws:username",
    "s3:prefix",
    "aws:PrincipalTag/T",
    "s3:max-keys",
    "aws:SourceIp",
    "aws:d",
    "aws:arn",
)
# Few values, many of them hostile to a matcher, a parser, or a type.
TEXTS = ("a", "ab", "b/a", "*", "?", "", "A", "a:b", "${*}", "$")
TYPED = ("1", "1.0", "2", "x", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "true", "False", "YQ==",
         "2020-01-01", "2020-01-01T00:00:00Z", "1577836800", "arn:aws:s3:::a", "arn:aws:iam::1:user/a")  # fmt: skip
ACTIONS = ("s3:GetObject", "s3:PutObject", "S3:getobject", "iam:GetUser", "s3:Get")
RESOURCES = ("*", *(f"arn:aws:s3:::{name}" for name in ("a", "ab", "aa", "a/", "a/b", "a/ab", "a//b", "a/b/a", "ab/ab", "b/a/", "b:a",
                                                        "aa:b", "*", "a/${*}", "", "a\0", "a\0b")),
             "arn:aws:iam::1:user/a", "arn:aws:s3:r:1:a", "arn:aws:s3", "x", "")  # fmt: skip

VARIABLES = (
    "${aws:username}",
    "${s3:prefix}",
    "${aws:PrincipalTag/T, 'ab'}",
    "${*}",
    "${?}",
    "${$}",
)
glob_text = st.lists(
    st.sampled_from(("a", "b", "/", ":", "*", "?", "**", "*?", *VARIABLES)), max_size=5
).map("".join)
action_pattern = st.sampled_from(
    ("*", "s3:*", "s3:Get*", "s3:G?tObject", "s3:*Object", "s3:GetObject", "S3:PUTOBJECT", "iam:*")
)
# Many that begin alike, end within each other, or have a variable after the same text.
neighbours = st.builds(
    "arn:aws:s3:::{}{}{}".format,
    st.sampled_from(
        ("a", "a/", "a/b", "ab", "${aws:username}", "a${aws:username}", "a/${s3:prefix}")
    ),
    st.sampled_from(("", "", "/", "b", "a/b", "/a", "${s3:prefix}")),
    st.sampled_from(("", "*", "*", "?", "*b", "/*")),
)
resource_pattern = st.one_of(
    st.just("*"),
    neighbours,
    neighbours,
    glob_text.map(lambda text: f"arn:aws:s3:::{text}"),
    glob_text.map(lambda text: f"arn:aws:s3:::a{text}"),
    st.sampled_from(
        (
            "arn:*:s3:::a*",
            "arn:aws:s3:*:?:a",
            "arn:aws:iam::1:user/${aws:username}",
            "arn:a*:*:*:*:a*",
        )
    ),
)


def lists_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(strategy, st.lists(strategy, min_size=1, max_size=3))


PLAIN_VALUES = {
    "Numeric": ("1", 2, 1.5, "-1"),
    "Date": ("2020-01-01", "2020-01-01T00:00:00.5Z", "2019-12-31T23:00:00-01:00", "1577836800"),
    "Bool": ("true", False),
    "BinaryEquals": ("YQ==", "eA=="),
    "IpAddress": ("10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::/0", "0.0.0.0/0"),
    "NotIpAddress": ("10.0.0.0/8", "2001:db8::1"),
    "Null": ("true", False),
}
COMPARED = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS = (
    *(f"String{n}{k}" for n in ("", "Not") for k in ("Equals", "EqualsIgnoreCase", "Like")),
    *(f"Arn{n}{k}" for n in ("", "Not") for k in ("Equals", "Like")),
    *(f"{family}{name}" for family in ("Numeric", "Date") for name in COMPARED),
    "Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null",
)  # fmt: skip


def values_of(operator: str) -> st.SearchStrategy[Any]:
    for family, values in PLAIN_VALUES.items():
        if operator.startswith(family):
            return lists_of(st.sampled_from(values))
    if operator.startswith("Arn"):
        return lists_of(resource_pattern)
    return lists_of(st.one_of(glob_text, st.sampled_from((*TEXTS[:6], *VARIABLES))))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 2))):
        operator = draw(st.sampled_from(OPERATORS))
        quantifier = draw(st.sampled_from(("", "", "ForAllValues:", "ForAnyValue:")))
        if_exists = "" if operator == "Null" else draw(st.sampled_from(("", "", "IfExists")))
        name = f"{quantifier}{operator}{if_exists}"
        block.setdefault(name, {})[draw(st.sampled_from(KEYS))] = draw(values_of(operator))
    return block


@st.composite
def statements(
    draw: st.DrawFn, effects: tuple[str, ...] = ("Allow", "Allow", "Deny")
) -> dict[str, Any]:
    statement = {
        "Effect": draw(st.sampled_from(effects)),
        draw(st.sampled_from(("Action", "Action", "NotAction"))): draw(lists_of(action_pattern)),
        draw(st.sampled_from(("Resource", "Resource", "NotResource"))): draw(
            lists_of(resource_pattern)
        ),
    }
    if draw(st.booleans()):
        statement["Condition"] = draw(conditions())
    return statement


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    # Some have enough statements to be indexed by resource.
    listed = draw(st.lists(statements(), min_size=1, max_size=draw(st.sampled_from((2, 12, 32)))))
    return {
        "Version": draw(st.sampled_from(("2012-10-17", "2012-10-17", "2008-10-17"))),
        "Statement": listed,
    }


document_lists = st.lists(documents(), min_size=1, max_size=2)
facts = st.dictionaries(
    st.sampled_from(KEYS).map(evaluator.fold),
    st.one_of(
        st.sampled_from((*TEXTS, *TYPED)).map(lambda value: (value,)),
        st.lists(st.sampled_from((*TEXTS, *TYPED)), max_size=3).map(tuple),
    ),
)


@st.composite
def requests(draw: st.DrawFn, *, is_prefix: bool = False) -> AccessRequest:
    principal = Principal(
        arn="arn", kind=PrincipalKind.USER, account="1", id="i", name="n", facts={}
    )
    context = Context({}, draw(facts), {}, 0.0)
    resource = draw(st.sampled_from(RESOURCES))
    return AccessRequest(
        principal, draw(st.sampled_from(ACTIONS)), resource, context, is_prefix=is_prefix
    )


INDEXINGS: Final = {
    "as shipped": {"INDEX_MINIMUM": index.INDEX_MINIMUM},
    "never": dict.fromkeys(("INDEX_MINIMUM", "SHARED_MINIMUM", "ACTION_INDEX_MINIMUM"), 1_000_000),
    "by resource": {"INDEX_MINIMUM": 1},
    "by action, together": {"INDEX_MINIMUM": 1, "ACTION_INDEX_MINIMUM": 1},
    "by action, each": dict.fromkeys(
        ("INDEX_MINIMUM", "SHARED_MINIMUM", "ACTION_INDEX_MINIMUM"), 1
    ),
    "by action, some": {"INDEX_MINIMUM": 3, "SHARED_MINIMUM": 4, "ACTION_INDEX_MINIMUM": 1},
}
"""Ways to look for statements, all of which must find the same."""


def indexed(name: str) -> AbstractContextManager[Any]:
    """Index as one of `INDEXINGS` says; sets remember it, so both building and asking belong inside."""
    return mock.patch.multiple(index, **INDEXINGS[name])
