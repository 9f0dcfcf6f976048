"""The decision: may this principal do this action to this resource in this context?

The whole evaluation on one page, over values in memory: no I/O. `decide` answers by identity policies alone,
which is the common case, and allocates nothing; `_decide_layers` by everything that can apply. The same answer
with every reason is `explain.py`; they are held together by random testing, also against a naive reference
evaluator. Source: AWS, "Policy evaluation logic", "Policy evaluation for requests within a single account".
"""

from collections.abc import Sequence
from typing import Final

from authz.policy.applicable import Applicable, as_applicable
from authz.policy.compile import PolicySet
from authz.policy.decision import NO_MATCH, NOT_ALLOWED_BY, ROOT, Decision, Layer
from authz.policy.index import Entry, Found
from authz.policy.principals import Naming
from authz.policy.request import STRANGERS, AccessRequest, PrincipalKind

_USER: Final = PrincipalKind.USER
_ROOT: Final = PrincipalKind.ROOT
_MAY_ASSUME: Final = (PrincipalKind.USER, PrincipalKind.ASSUMED_ROLE)


def decide(request: AccessRequest, policies: PolicySet | Applicable) -> Decision:
    """Decide `request` by all policies that apply; a bare `PolicySet` is the principal's identity policies."""
    # 1. More than identity policies, or one that cannot be read: every layer has its say.
    if not policies.is_plain:
        return _decide_layers(request, as_applicable(policies))
    plain: PolicySet = policies  # type: ignore[assignment] # only a `PolicySet` is plain

    # 2. Identity policies do not limit the root credential, and grant nothing to who has no identity.
    if (kind := request.principal.kind) is not _USER:
        if kind is _ROOT:
            return ROOT
        if kind in STRANGERS:
            return NO_MATCH

    # 3. The statements about this action and, among many, those that can be about this resource.
    index = plain.prefixes if request.is_prefix else plain.index
    denies, allows, select = index.memo.get(request.action) or index.find(request.action)
    resource = request.resource
    context = request.context
    if select is not None:
        denies, allows = select(resource, context)

    # 4. A deny anywhere wins.
    for _, match_resource, conditions, decision in denies:
        if match_resource(resource, context) and (conditions is None or conditions(context)):
            return decision

    # 5. One allow is enough.
    for _, match_resource, conditions, decision in allows:
        if match_resource(resource, context) and (conditions is None or conditions(context)):
            return decision

    # 6. Everything else is denied.
    return NO_MATCH


def decide_trust(request: AccessRequest, applicable: Applicable) -> Decision:
    """Decide whether a role may be assumed, or tagged or named so; its trust policy is `applicable.resource`.

    As any request about a resource, but that the trust policy must name who asks, if only by the account, and
    that naming lifts nobody over the policies of its own credential. Root assumes no roles (AWS STS,
    `AssumeRole`).
    """
    decision = decide(request, applicable)
    if not decision.is_allowed:
        return decision
    trust = applicable.resource
    is_trusted = trust is not None and _find_allow(request, trust) is not None
    if request.principal.kind not in _MAY_ASSUME or not is_trusted:
        return NO_MATCH
    for policies in applicable.narrowing:
        is_own = policies.layer is not Layer.PERMISSIONS_BOUNDARY
        if is_own and _find_allow(request, policies) is None:
            return NOT_ALLOWED_BY[policies.layer]
    return decision


def decide_federated_trust(request: AccessRequest, trust: PolicySet) -> Decision:
    """Decide whether somebody whom only a provider vouches for may have a session of the role of `trust`.

    There are no policies of its own; the trust policy alone decides, and it must name the provider, for an
    allow to everybody was not written with every provider's users in mind.
    """
    denied = _find_deny(request, (trust,))
    if denied is not None:
        return denied
    for entry in _select(request, trust)[1]:
        if _find_naming(entry, request, trust) is Naming.ROLE:
            return entry[3]
    return NO_MATCH


def _decide_layers(request: AccessRequest, applicable: Applicable) -> Decision:
    # 1. A deny anywhere wins.
    denied = _find_deny(request, applicable.find_applying(request))
    if denied is not None:
        return denied

    # 2. The root credential; one derived from it is limited by its own policies.
    kind = request.principal.kind
    if kind is _ROOT and not applicable.narrowing:
        return ROOT

    # 3. A policy of the resource that names who acts grants by itself.
    by_resource, is_by_itself = _find_resource_grant(request, applicable)
    if is_by_itself and by_resource is not None:
        return by_resource

    # 4. Otherwise something must grant it, and every layer that narrows must let it through.
    if kind is _ROOT:
        granted: Decision | None = ROOT
    else:
        by_identity = None if kind in STRANGERS else _find_allow(request, applicable.identity)
        granted = by_identity or by_resource
    if granted is None:
        return NO_MATCH
    for policies in applicable.narrowing:
        if _find_allow(request, policies) is None:
            return NOT_ALLOWED_BY[policies.layer]
    return granted


def _find_deny(request: AccessRequest, applying: Sequence[PolicySet]) -> Decision | None:
    """Find a policy that cannot be read, because it may hold a deny, or else a deny that matches."""
    for policies in applying:
        if policies.quarantine is not None:
            return policies.quarantine
    for policies in applying:
        for entry in _select(request, policies)[0]:
            if _find_naming(entry, request, policies):
                return entry[3]
    return None


def _find_resource_grant(
    request: AccessRequest, applicable: Applicable
) -> tuple[Decision | None, bool]:
    """Find what a policy of the resource grants, and whether it grants by itself.

    It does if it names the session, the user that acts, or everyone. What names only what is behind the
    credential (the role, the user it was derived from) grants within the layers that narrow; what names the
    account grants nothing.
    """
    if (resource := applicable.resource) is None:
        return None, False
    by_itself = Naming.ITSELF if applicable.is_derived else Naming.USER
    within = None
    for entry in _select(request, resource)[1]:
        naming = _find_naming(entry, request, resource)
        if naming >= by_itself:
            return entry[3], True
        if naming > Naming.ACCOUNT and within is None:
            within = entry[3]
    return within, False


def _select(request: AccessRequest, policies: PolicySet) -> Found:
    """Return the denies and allows about the action that may be about the resource."""
    index = policies.prefixes if request.is_prefix else policies.index
    denies, allows, select = index.memo.get(request.action) or index.find(request.action)
    return (denies, allows) if select is None else select(request.resource, request.context)


def _find_allow(request: AccessRequest, policies: PolicySet) -> Decision | None:
    for entry in _select(request, policies)[1]:
        if _find_naming(entry, request, policies):
            return entry[3]
    return None


def _find_naming(entry: Entry, request: AccessRequest, policies: PolicySet) -> Naming:
    """Tell how a statement that matches names who asks; `NOT` where it does not match."""
    rank, match_resource, conditions, _ = entry
    naming = policies.statements[rank].naming(request.principal)
    if (
        naming
        and match_resource(request.resource, request.context)
        and (conditions is None or conditions(request.context))
    ):
        return naming
    return Naming.NOT
