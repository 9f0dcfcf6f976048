"""What narrows a credential: the policies that it brings itself, joined to one set.

A service account has one document; a session has documents, managed policies, or both. Managed ones are live:
when one changes, or goes, the set is made anew. A set is compiled when it is first decided by, which is after
its credential was proved: a stranger cannot cause that work.

Not here: what a set means to a decision (`policy/applicable.py`), and who has one (`entries.py`).
"""

from authz.access.policies import Policies, PolicySetHandle
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    QuarantinedPolicy,
    compile_policy_set,
)
from authz.policy.decision import Layer


class Narrowing:
    """The policies of one credential as one set of its `layer`."""

    __slots__ = (
        "_documents",
        "_joined",
        "_joined_with",
        "_managed",
        "_name",
        "_own",
        "_policies",
        "layer",
    )

    def __init__(
        self,
        policies: Policies,
        layer: Layer,
        name: str,
        documents: tuple[str, ...],
        policy_ids: tuple[str, ...] = (),
    ) -> None:
        """Join `documents`, which decisions call `name`, and the managed policies `policy_ids`."""
        self.layer = layer
        self._policies = policies
        self._name = name
        self._documents = documents
        ids = tuple(sorted(set(policy_ids)))
        self._managed: PolicySetHandle = policies.handle(ids, (), layer)
        self._own: tuple[CompiledPolicy | QuarantinedPolicy, ...] | None = None
        self._joined: PolicySet | None = None
        # The set of managed policies that is in `_joined`: a change makes another one.
        self._joined_with: PolicySet | None = None

    def build(self) -> PolicySet:
        """Return the set, compiled when it is first asked for and after each change of its managed policies."""
        managed = self._managed.policies or self._policies.build(self._managed)
        if self._joined is None or managed is not self._joined_with:
            if self._own is None:
                self._own = tuple(
                    self._policies.compile_own(document, self.layer, self._name)
                    for document in self._documents
                )
            self._joined = compile_policy_set((*self._own, *managed.policies), layer=self.layer)
            self._joined_with = managed
        return self._joined
