"""Which documents are acceptable, for the planes: parsing and compiling put together, a function a kind.

The control plane refuses what would not be enforced as written; the data plane reads what is stored. Both are
lent these, as formats are another room. Not here: what a document says (`formats/iam_json.py`), and what it
means (`policy/compile.py`).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from authz.formats.admin_v1_policies import parse_holder
from authz.formats.iam_json import (
    IDENTITY_POLICY,
    RESOURCE_POLICY,
    SERVICE_ACCOUNT_POLICY,
    SESSION_POLICY,
    TRUST_POLICY,
    DocumentKind,
    parse_policy,
)
from authz.policy.compile import compile_policy, compile_resource_policy
from authz.policy.decision import Layer
from authz.policy.model import Policy
from authz.policy.resource_policies import check_within

POLICY_PARSERS: Final[Mapping[Layer, Callable[[str], Policy]]] = {
    Layer.IDENTITY: parse_policy,
    Layer.RESOURCE_POLICY: partial(parse_policy, kind=RESOURCE_POLICY),
    Layer.SESSION_POLICY: partial(parse_policy, kind=SESSION_POLICY),
    Layer.SERVICE_ACCOUNT_POLICY: partial(parse_policy, kind=SERVICE_ACCOUNT_POLICY),
}
"""How the data plane reads the documents of each layer."""


def check_document(document: str, *, kind: DocumentKind = IDENTITY_POLICY) -> None:
    """Refuse a policy document that would not be enforced as written; raises `ParseError` with the place."""
    compile_policy(parse_policy(document, kind=kind), arn="", version=1)


def check_resource_document(document: str, resource: str) -> None:
    """Refuse a document that would not be enforced as written, or that reaches beyond `resource`."""
    parse_holder(resource)
    policy = parse_policy(document, kind=RESOURCE_POLICY)
    check_within(policy, resource)
    compile_resource_policy(policy, arn=resource, version=1)


def parse_trust_document(document: str) -> Policy:
    """Read a trust policy."""
    return parse_policy(document, kind=TRUST_POLICY)


def check_trust_document(document: str) -> None:
    """Refuse a trust policy that would not be enforced as written; raises `ParseError` with the place."""
    compile_resource_policy(parse_trust_document(document), arn="", version=1)
