"""What narrows a credential: the policies that it brings itself, as one set.

A service account has one document; a session has documents, managed policies, or both. Managed ones are live:
when one changes, or goes, the set is made anew. Nothing that is compiled is a credential's own: who name the
same managed policies share one set, who have equal documents another, and both are joined for each question.

Not here: what a set means to a decision (`policy/applicable.py`), and who has one (`entries.py`).
"""

from authz.access.policies import Policies, PolicySetHandle
from authz.policy.compile import PolicySet
from authz.policy.decision import Layer
from authz.policy.joined import JoinedSet


class Narrowing:
    """The policies of one credential as one set of its `layer`."""

    __slots__ = ("_documents", "_managed", "_policies", "layer")

    def __init__(
        self,
        policies: Policies,
        layer: Layer,
        documents: tuple[str, ...],
        policy_ids: tuple[str, ...] = (),
    ) -> None:
        """Join `documents` and the managed policies `policy_ids`, at least one of either."""
        self.layer = layer
        self._policies = policies
        self._documents = tuple(dict.fromkeys(documents))
        ids = tuple(sorted(set(policy_ids)))
        self._managed: PolicySetHandle | None = policies.handle(ids, (), layer) if ids else None

    def build(self) -> PolicySet:
        """Return the set of now, compiled where it is not yet."""
        if self._managed is None:
            return self._policies.own.find(self.layer, self._documents)
        managed = self._managed.policies or self._policies.build(self._managed)
        if not self._documents:
            return managed
        return JoinedSet(managed, self._policies.own.find(self.layer, self._documents))
