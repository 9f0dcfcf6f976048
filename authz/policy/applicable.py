"""All that applies to a request: the sets of policies of every layer, and which of them count for whom.

Made where a principal, its credential and a resource come together; `decide` and `explain` read it. Who has
which policies is not known here. Source: AWS, "Policy evaluation for requests within a single account".
"""

from collections.abc import Iterable
from copy import copy
from typing import Final

from authz.policy.compile import EMPTY_POLICY_SET, PolicySet
from authz.policy.decision import Layer
from authz.policy.request import AccessRequest, PrincipalKind

ROOT_ALWAYS_MAY: Final = frozenset(
    {
        "s3:deletebucketpolicy",
        "s3:getbucketpolicy",
        "s3:putbucketpolicy",
        "authz:deleteresourcepolicy",
        "authz:getresourcepolicy",
        "authz:putresourcepolicy",
    }
)
"""What no resource policy keeps root from, so that nobody locks a bucket for good (AWS, "PutBucketPolicy"), or
another resource."""

WITHOUT_IDENTITY_POLICIES: Final = (
    PrincipalKind.ROOT,
    PrincipalKind.ANONYMOUS,
    PrincipalKind.FEDERATED,
)
"""Whom identity policies do not concern: one needs none, the others have no identity here."""

# Made for every request to a resource with a policy: looking up an enum's member costs more than the rest.
_IDENTITY: Final = Layer.IDENTITY
_PERMISSIONS_BOUNDARY: Final = Layer.PERMISSIONS_BOUNDARY
_RESOURCE_POLICY: Final = Layer.RESOURCE_POLICY


class Applicable:
    """The sets of policies that apply, each compiled for its layer; shared by requests, immutable.

    `identity` and `resource` grant. Of the others each one that is not `None` narrows, and an empty set lets
    nothing through: `boundary`; every one of `sessions`; `service_account`, over what its parent may do now.
    """

    __slots__ = ("identity", "is_derived", "narrowing", "resource")

    is_plain: Final = False

    def __init__(
        self,
        identity: PolicySet = EMPTY_POLICY_SET,
        *,
        boundary: PolicySet | None = None,
        sessions: Iterable[PolicySet] = (),
        service_account: PolicySet | None = None,
        resource: PolicySet | None = None,
    ) -> None:
        """Join the sets; `sessions` may be several, all of which must allow.

        A set of another layer is compiled anew, which costs time here but is never wrong.
        """
        own: tuple[PolicySet, ...] = ()
        if sessions:
            own = tuple(policies.as_layer(Layer.SESSION_POLICY) for policies in sessions)
        if service_account is not None:
            own += (service_account.as_layer(Layer.SERVICE_ACCOUNT_POLICY),)
        self.identity = identity.as_layer(_IDENTITY)
        self.resource = None if resource is None else resource.as_layer(_RESOURCE_POLICY)
        self.narrowing = (
            own if boundary is None else (boundary.as_layer(_PERMISSIONS_BOUNDARY), *own)
        )
        self.is_derived = bool(own)
        """Whether the credential was derived from another one and has policies of its own."""

    def with_resource(self, resource: PolicySet) -> "Applicable":
        """Return what would apply if `resource` were the policy of the resource."""
        other = copy(self)
        other.resource = resource.as_layer(_RESOURCE_POLICY)
        return other

    def find_applying(self, request: AccessRequest) -> tuple[PolicySet, ...]:
        """Return the sets whose denies count for `request`."""
        kind = request.principal.kind
        identity = () if kind in WITHOUT_IDENTITY_POLICIES else (self.identity,)
        is_exempt = (
            kind is PrincipalKind.ROOT
            and not self.narrowing
            and request.action.lower() in ROOT_ALWAYS_MAY
        )
        resource = () if is_exempt or self.resource is None else (self.resource,)
        return (*identity, *self.narrowing, *resource)


def as_applicable(policies: PolicySet | Applicable) -> Applicable:
    """Return what applies when `policies` is all there is."""
    return policies if isinstance(policies, Applicable) else Applicable(policies)
