"""The engines that `bench.policy` compares: this one, and others that Python can install.

A principal's statements are given as plain values and translated for each engine as its documentation would
have it: for Cedar a bucket is a parent of its objects, and everything is parsed beforehand; for Casbin a line
of policy is a statement, matched by `keyMatch` and `regexMatch`; moto reads the IAM document itself. What an
engine cannot say it is not asked: moto knows neither conditions of identity policies nor variables.

A question comes back prepared, so that what is measured is the decision and not how a question is put together.
"""

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

import casbin
import cedarpy
from moto.iam.access_control import IAMPolicy, PermissionResult

from authz.formats.iam_json import parse_policy
from authz.policy.compile import CompiledPolicy, PolicySet, compile_policy, compile_policy_set
from authz.policy.decide import decide
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind

PER_POLICY: Final = 50
"""Statements in one document: as many as its 20,480 bytes hold, with room."""

USER: Final = "alice"
PREFIX: Final = "home/photos"

ALICE: Final = Principal(
    arn=f"arn:aws:iam::000000000000:user/{USER}",
    kind=PrincipalKind.USER,
    account="000000000000",
    id="AIDA",
    name=USER,
    facts={"aws:username": (USER,)},
)
CONTEXT: Final = Context(
    ALICE.facts, {"aws:sourceip": ("10.1.2.3",)}, {"s3:prefix": (PREFIX,)}, 0.0
)

Ask = Callable[[], bool]
"""Decide one prepared question: is it allowed?"""


class Kind(StrEnum):
    """What the statements have beside effect, actions and a bucket."""

    PLAIN = "plain"
    CONDITIONS = "with conditions"
    VARIABLES = "with variables"


class Stated(NamedTuple):
    """A statement about reading and writing the objects of a bucket; with variables, one's own folder."""

    bucket: str
    is_allow: bool = True


class Engine(Protocol):
    """Statements of one principal, ready to decide."""

    def prepare(self, bucket: str) -> Ask:
        """Prepare the question whether the principal may read its photo in `bucket`."""
        ...


Build = Callable[[Kind, Sequence[Stated]], Engine]


def _documents(kind: Kind, statements: Sequence[Stated]) -> Iterable[str]:
    folder = "${aws:username}/" if kind is Kind.VARIABLES else ""
    condition = {"Condition": {"StringLike": {"s3:prefix": "home/*"}}}
    for start in range(0, len(statements), PER_POLICY):
        listed = [
            {
                "Effect": "Allow" if one.is_allow else "Deny",
                "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": f"arn:aws:s3:::{one.bucket}/{folder}*",
                **(condition if kind is Kind.CONDITIONS else {}),
            }
            for one in statements[start : start + PER_POLICY]
        ]
        yield json.dumps({"Version": "2012-10-17", "Statement": listed})


def compile_document(document: str, number: int) -> CompiledPolicy:
    """Compile one policy of this service."""
    arn = f"arn:aws:iam::000000000000:policy/bench-{number}"
    return compile_policy(parse_policy(document), arn=arn, version=1)


class Authz:
    """This service's evaluator."""

    def __init__(self, kind: Kind, statements: Sequence[Stated]) -> None:
        self.policies: PolicySet = compile_policy_set(
            compile_document(document, number)
            for number, document in enumerate(_documents(kind, statements))
        )

    def request(self, resource: str, **fields: Any) -> AccessRequest:
        """Return the question about `resource`."""
        action = fields.pop("action", "s3:GetObject")
        return AccessRequest(ALICE, action, resource, CONTEXT, **fields)

    def prepare(self, bucket: str) -> Ask:
        """Prepare a question."""
        request, policies = self.request(f"arn:aws:s3:::{bucket}/{USER}/photo"), self.policies
        return lambda: decide(request, policies).is_allowed


_CEDAR_TAILS: Final = {
    Kind.PLAIN: "",
    Kind.CONDITIONS: ' when { context has prefix && context.prefix like "home/*" }',
    Kind.VARIABLES: " when { resource.folder == principal.name }",
}


class Cedar:
    """Cedar, in Rust: https://www.cedarpolicy.com."""

    def __init__(self, kind: Kind, statements: Sequence[Stated]) -> None:
        self._policies = cedarpy.PolicySet.from_str(
            "\n".join(
                f'{"permit" if one.is_allow else "forbid"}(principal == User::"{USER}", '
                'action in [Action::"s3:GetObject", Action::"s3:PutObject"], '
                f'resource in Bucket::"{one.bucket}"){_CEDAR_TAILS[kind]};'
                for one in statements
            )
        )

    def prepare(self, bucket: str) -> Ask:
        """Prepare a question, with the entities it is about."""
        key = f"{bucket}/{USER}/photo"
        entities = [
            {"uid": {"type": "User", "id": USER}, "attrs": {"name": USER}, "parents": []},
            {"uid": {"type": "Bucket", "id": bucket}, "attrs": {}, "parents": []},
            {
                "uid": {"type": "Object", "id": key},
                "attrs": {"folder": USER},
                "parents": [{"type": "Bucket", "id": bucket}],
            },
        ]
        known = cedarpy.Entities.from_json_str(json.dumps(entities))
        request = {
            "principal": {"type": "User", "id": USER},
            "action": {"type": "Action", "id": "s3:GetObject"},
            "resource": {"type": "Object", "id": key},
            "context": {"prefix": PREFIX},
        }
        return lambda: bool(cedarpy.is_authorized(request, self._policies, known).allowed)


_CASBIN_RESOURCES: Final = {
    Kind.PLAIN: "keyMatch(r.obj, p.obj)",
    Kind.CONDITIONS: "keyMatch(r.obj, p.obj) && keyMatch(r.prefix, p.prefix)",
    Kind.VARIABLES: 'keyMatch(r.obj, p.obj + r.sub + "/*")',
}
_CASBIN_MODEL: Final = """
[request_definition]
r = sub, obj, act, prefix
[policy_definition]
p = sub, obj, act, prefix, eft
[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))
[matchers]
m = r.sub == p.sub && {resource} && regexMatch(r.act, p.act)
"""


class Casbin:
    """Casbin: https://casbin.org."""

    def __init__(self, kind: Kind, statements: Sequence[Stated]) -> None:
        logging.getLogger("casbin").setLevel(logging.ERROR)
        model = casbin.Model()
        model.load_model_from_text(_CASBIN_MODEL.format(resource=_CASBIN_RESOURCES[kind]))
        self._enforcer = casbin.Enforcer(model)
        tail = "" if kind is Kind.VARIABLES else "*"
        self._enforcer.add_policies(
            [
                [
                    USER,
                    f"{one.bucket}/{tail}",
                    "^s3:(Get|Put)Object$",
                    "home/*",
                    "allow" if one.is_allow else "deny",
                ]
                for one in statements
            ]
        )

    def prepare(self, bucket: str) -> Ask:
        """Prepare a question."""
        asked = (USER, f"{bucket}/{USER}/photo", "s3:GetObject", PREFIX)
        return lambda: bool(self._enforcer.enforce(*asked))


class Moto:
    """The evaluator of moto's IAM, with the documents read beforehand: https://docs.getmoto.org."""

    def __init__(self, kind: Kind, statements: Sequence[Stated]) -> None:
        self._policies = [
            IAMPolicy({"policy_document": one}) for one in _documents(kind, statements)
        ]

    def prepare(self, bucket: str) -> Ask:
        """Prepare a question; as moto does, every policy is asked until one denies."""
        resource = f"arn:aws:s3:::{bucket}/{USER}/photo"

        def ask() -> bool:
            is_allowed = False
            for policy in self._policies:
                result = policy.is_action_permitted("s3:GetObject", resource)
                if result is PermissionResult.DENIED:
                    return False
                is_allowed = is_allowed or result is PermissionResult.PERMITTED
            return is_allowed

        return ask


ENGINES: Final[dict[str, Build]] = {
    "authz": Authz,
    "cedarpy": Cedar,
    "casbin": Casbin,
    "moto": Moto,
}
KINDS_OF: Final = {"moto": (Kind.PLAIN,)}
"""What an engine can say, where that is not everything."""
