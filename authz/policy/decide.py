"""The decision: may this principal do this action to this resource in this context?

The whole evaluation on one page, over values in memory: no I/O, nothing allocated. The same answer with every
reason is `explain.py`; the two are held together by random testing, also against a naive reference evaluator.
Source: AWS, "Policy evaluation logic".
"""

from typing import Final

from authz.policy.compile import PolicySet
from authz.policy.decision import NO_MATCH, ROOT, Decision
from authz.policy.request import AccessRequest, PrincipalKind

_ROOT_KIND: Final = PrincipalKind.ROOT


def decide(request: AccessRequest, policies: PolicySet) -> Decision:
    """Decide `request` by the identity policies that apply to its principal."""
    # 1. The root credential is not limited by identity policies.
    if request.principal.kind is _ROOT_KIND:
        return ROOT

    # 2. A policy that cannot be read may hold a deny.
    if policies.quarantine is not None:
        return policies.quarantine

    # 3. The statements about this action and, among many, those that can be about this resource.
    index = policies.prefixes if request.is_prefix else policies.index
    denies, allows, heads = index.memo.get(request.action) or index.find(request.action)
    resource = request.resource
    context = request.context
    if heads is not None:
        denies = heads[0].select(resource)
        allows = heads[1].select(resource)

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
