"""Builders with defaults: documents, requests and policy sets for the tables of cases."""

import json
from collections.abc import Mapping
from typing import Any

from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    compile_policy,
    compile_policy_set,
    compile_resource_policy,
)
from authz.policy.decision import Layer
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind

ALICE = "arn:aws:iam::000000000000:user/alice"
NOW = 1_700_000_000.5


def a_statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect}
    if "NotAction" not in elements:
        statement["Action"] = "s3:GetObject"
    if "NotResource" not in elements:
        statement["Resource"] = "*"
    return {**statement, **elements}


def a_document(*statements: dict[str, Any], version: str | None = "2012-10-17") -> str:
    document: dict[str, Any] = {"Statement": list(statements)}
    return json.dumps(document if version is None else {"Version": version, **document})


def a_policy(
    *statements: dict[str, Any],
    arn: str = "arn:p",
    version: str | None = "2012-10-17",
    number: int = 1,
) -> CompiledPolicy:
    return compile_policy(
        parse_policy(a_document(*statements, version=version)), arn=arn, version=number
    )


def a_set(*statements: dict[str, Any], version: str | None = "2012-10-17") -> PolicySet:
    return compile_policy_set([a_policy(*statements, version=version)])


def a_context(
    facts: Mapping[str, str | tuple[str, ...]] | None = None, now: float = NOW
) -> Context:
    """Facts by folded key; a lone string is one value."""
    server = {
        key: (value,) if isinstance(value, str) else value for key, value in (facts or {}).items()
    }
    return Context({}, server, {}, now)


def a_request(
    action: str = "s3:GetObject",
    resource: str = "arn:aws:s3:::b/k",
    *,
    facts: Mapping[str, str | tuple[str, ...]] | None = None,
    kind: PrincipalKind = PrincipalKind.USER,
    is_prefix: bool = False,
) -> AccessRequest:
    principal = Principal(
        arn=ALICE, kind=kind, account="000000000000", id="AIDA", name="alice", facts={}
    )
    return AccessRequest(principal, action, resource, a_context(facts), is_prefix=is_prefix)


def a_layer(*statements: dict[str, Any], layer: Layer, arn: str = "") -> PolicySet:
    return compile_policy_set([a_policy(*statements, arn=arn or layer.value)], layer=layer)


def a_boundary(*statements: dict[str, Any]) -> PolicySet:
    return a_layer(*statements, layer=Layer.PERMISSIONS_BOUNDARY)


def a_session(*statements: dict[str, Any], arn: str = "") -> PolicySet:
    return a_layer(*statements, layer=Layer.SESSION_POLICY, arn=arn)


def a_service_account(*statements: dict[str, Any]) -> PolicySet:
    return a_layer(*statements, layer=Layer.SERVICE_ACCOUNT_POLICY)


def a_resource_policy(*statements: dict[str, Any], version: str | None = "2012-10-17") -> PolicySet:
    document = parse_policy(a_document(*statements, version=version), kind=RESOURCE_POLICY)
    compiled = compile_resource_policy(document, arn="arn:aws:s3:::b", version=1)
    return compile_policy_set([compiled], layer=Layer.RESOURCE_POLICY)


def a_role_session(role: str = "deploy", name: str = "s1") -> Principal:
    return Principal(
        arn=f"arn:aws:sts::000000000000:assumed-role/{role}/{name}",
        kind=PrincipalKind.ASSUMED_ROLE,
        account="000000000000",
        id=f"AROA:{name}",
        name=name,
        facts={},
    )


def asked_by(principal: Principal, action: str = "s3:GetObject", **fields: Any) -> AccessRequest:
    request = a_request(action, **fields)
    request.principal = principal
    return request
