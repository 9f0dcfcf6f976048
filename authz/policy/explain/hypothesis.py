"""What would be decided if other policies were in force: a hypothesis, and what applies under it.

Policies are assumed beside or instead of those that are there, layer by layer; nothing else differs from a real
decision, so the same `decide` and `explain` answer. Not here: how a hypothesis is told to the service
(`formats/authz_v1_explain.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from authz.policy.applicable import Applicable
from authz.policy.compile import CompiledPolicy, PolicySet, compile_policy_set
from authz.policy.decision import Layer
from authz.policy.request import Principal, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """What to assume.

    `identity` comes on top of the principal's own identity policies; with `is_without_own` these, and its
    permissions boundary, are left out. `boundary` and `resource` replace what is there; `sessions` (one set,
    of which one policy has to allow) and `service_account` narrow. `facts` replace the principal's.
    """

    identity: tuple[CompiledPolicy, ...] = ()
    is_without_own: bool = False
    boundary: CompiledPolicy | None = None
    sessions: tuple[CompiledPolicy, ...] = ()
    service_account: CompiledPolicy | None = None
    resource: CompiledPolicy | None = None
    facts: Mapping[str, Values] = field(default_factory=dict)

    def applied_to(self, own: Applicable) -> Applicable:
        """Return what applies when this is so, instead of `own`."""
        narrowing = {policies.layer: policies for policies in own.narrowing}
        boundary = None if self.is_without_own else narrowing.get(Layer.PERMISSIONS_BOUNDARY)
        sessions = [one for one in own.narrowing if one.layer is Layer.SESSION_POLICY]
        if self.sessions:
            sessions.append(compile_policy_set(self.sessions, layer=Layer.SESSION_POLICY))
        return Applicable(
            self._identity(own.identity),
            boundary=_replaced(boundary, self.boundary),
            sessions=sessions,
            service_account=_replaced(
                narrowing.get(Layer.SERVICE_ACCOUNT_POLICY), self.service_account
            ),
            resource=_replaced(own.resource, self.resource),
        )

    def _identity(self, own: PolicySet) -> PolicySet:
        if self.is_without_own:
            return compile_policy_set(self.identity)
        return compile_policy_set((*own.policies, *self.identity), deny_only=own.deny_only)

    def describes(self, principal: Principal) -> Principal:
        """Return `principal` as it would be if this were so."""
        return replace(principal, facts={**principal.facts, **self.facts})


def _replaced(own: PolicySet | None, assumed: CompiledPolicy | None) -> PolicySet | None:
    return own if assumed is None else compile_policy_set((assumed,))
