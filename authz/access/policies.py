"""All policies, compiled, in memory; and the sets of them that principals have.

A document is compiled once for each version. A *policy set* is what one combination of attachments compiles to;
everybody with the same attachments shares one, so the number of users costs nothing here. A set is built when
it is first needed and dropped when one of its policies changes.

INVARIANT: `decide` only ever sees sets that are whole. A document that does not compile, or an attachment to a
policy that is not here, puts a quarantined policy into the set, and a set with one denies everything.

Not here: who has which set (`principals.py`), and when to reload (`refresher.py`).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final
from weakref import WeakValueDictionary

from authz.errors import ParseError
from authz.identity.records import ManagedPolicy
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    QuarantinedPolicy,
    compile_policy,
    compile_policy_set,
)
from authz.policy.model import Policy
from authz.telemetry.logs import get_logger

UNKNOWN_VERSION: Final = 0


class PolicySetHandle:
    """The policy set of one combination of attachments; `policies` is `None` until it is needed again."""

    __slots__ = ("__weakref__", "deny_only_ids", "ids", "policies")

    def __init__(self, ids: tuple[str, ...], deny_only_ids: tuple[str, ...]) -> None:
        self.ids = ids
        self.deny_only_ids = deny_only_ids
        self.policies: PolicySet | None = None


class Policies:
    """Every managed policy, compiled; and the handles of the sets in use."""

    def __init__(
        self, parse: Callable[[str], Policy], arn_of: Callable[[ManagedPolicy], str]
    ) -> None:
        """Compile documents with `parse` (raises `ParseError`), naming each policy by `arn_of`."""
        self._parse = parse
        self._arn_of = arn_of
        self._compiled: dict[str, CompiledPolicy | QuarantinedPolicy] = {}
        self._handles: WeakValueDictionary[tuple[tuple[str, ...], tuple[str, ...]], PolicySetHandle]
        self._handles = WeakValueDictionary()
        self._log = get_logger("access")

    def __len__(self) -> int:
        return len(self._compiled)

    def count_quarantined(self) -> int:
        """Return how many stored policies do not compile."""
        return sum(isinstance(policy, QuarantinedPolicy) for policy in self._compiled.values())

    def replace_all(self, stored: Sequence[ManagedPolicy]) -> None:
        """Hold exactly the policies `stored`."""
        self._compiled = {policy.id: self._compile(policy) for policy in stored}
        for handle in self._handles.values():
            handle.policies = None

    def replace(self, ids: Collection[str], stored: Iterable[ManagedPolicy]) -> None:
        """Hold for the policies `ids` what `stored` says; those it does not contain are gone."""
        for policy_id in ids:
            self._compiled.pop(policy_id, None)
        for policy in stored:
            self._compiled[policy.id] = self._compile(policy)
        for handle in self._handles.values():
            if not set(ids).isdisjoint((*handle.ids, *handle.deny_only_ids)):
                handle.policies = None

    def handle(self, ids: tuple[str, ...], deny_only_ids: tuple[str, ...]) -> PolicySetHandle:
        """Return the one handle for this combination of attachments, each sorted."""
        handle = self._handles.get((ids, deny_only_ids))
        if handle is None:
            handle = PolicySetHandle(ids, deny_only_ids)
            self._handles[ids, deny_only_ids] = handle
        return handle

    def build(self, handle: PolicySetHandle) -> PolicySet:
        """Compile the set of `handle` from what is held now, and keep it there until a policy changes."""
        handle.policies = compile_policy_set(
            [self._find(policy_id) for policy_id in handle.ids],
            deny_only=[self._find(policy_id) for policy_id in handle.deny_only_ids],
        )
        return handle.policies

    def _find(self, policy_id: str) -> CompiledPolicy | QuarantinedPolicy:
        found = self._compiled.get(policy_id)
        if found is not None:
            return found
        return QuarantinedPolicy(
            arn=policy_id, version=UNKNOWN_VERSION, problem="attached policy is not in memory"
        )

    def _compile(self, stored: ManagedPolicy) -> CompiledPolicy | QuarantinedPolicy:
        arn = self._arn_of(stored)
        try:
            return compile_policy(self._parse(stored.document), arn=arn, version=stored.version)
        except ParseError as error:
            self._log.error(
                "policy_quarantined", policy=arn, version=stored.version, problem=error.message
            )
            return QuarantinedPolicy(arn=arn, version=stored.version, problem=error.message)
