"""All policies in memory, and the sets of them that decide.

A managed policy is compiled once for each version. A *policy set* is what one combination of attachments, or a
permissions boundary, compiles to; everybody with the same ones shares one, so the number of users costs
nothing here. A set is built when it is first needed and dropped when one of its policies changes. The policies
of resources may be as many as the resources: they are held as documents, and compiled when first asked about.

INVARIANT: `decide` only ever sees sets that are whole. A document that does not compile, or an attachment to a
policy that is not here, puts a quarantined policy into the set, and a set with one denies everything.

Not here: who has which set (`principals.py`), and when to reload (`refresher.py`).
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from typing import Final
from weakref import WeakValueDictionary

from authz.access.own_sets import OwnSets
from authz.access.ports import StoredPolicies
from authz.errors import ParseError
from authz.identity.records import ManagedPolicy, ResourcePolicy
from authz.policy.arn import policy_holder
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    QuarantinedPolicy,
    compile_policy,
    compile_policy_set,
    compile_resource_policy,
)
from authz.policy.decision import Layer
from authz.policy.model import Policy
from authz.telemetry.logs import get_logger

UNKNOWN_VERSION: Final = 0
OWN_VERSION: Final = 1
"""The version of a document that has no others: a service account's, a session's."""

NAME_DIGITS: Final = 12
"""Hexadecimal digits of its digest that name such a document in decisions."""

COMPILED_RESOURCE_BYTES: Final = 8 * 1024 * 1024
"""Most bytes of documents of resources that are held compiled, at 10 to 80 times as much memory. Which ones is
up to strangers, who choose what they ask for, and how heavy they are to who may write them."""


class PolicySetHandle:
    """The policy set of one combination of attachments; `policies` is `None` until it is needed again.

    `granted_ids` are policies that a login granted besides. Nothing keeps those from being deleted, and then
    they grant nothing.
    """

    __slots__ = ("__weakref__", "deny_only_ids", "granted_ids", "ids", "layer", "policies")

    def __init__(
        self,
        ids: tuple[str, ...],
        deny_only_ids: tuple[str, ...],
        layer: Layer,
        granted_ids: tuple[str, ...] = (),
    ) -> None:
        self.ids = ids
        self.deny_only_ids = deny_only_ids
        self.layer = layer
        self.granted_ids = granted_ids
        self.policies: PolicySet | None = None


class _HeldDocument:
    """The policy of one resource; `policies` is `None` until it is needed, or needed again."""

    __slots__ = ("policies", "stored")

    def __init__(self, stored: ResourcePolicy) -> None:
        self.stored = stored
        self.policies: PolicySet | None = None

    def size(self) -> int:
        """Return the bytes of the document."""
        return len(self.stored.document.encode())


class Policies:
    """Every managed policy, compiled; the handles of the sets in use; every policy of a resource.

    `comings` counts how often policies came or went: as long as it stands, a name means the same policy.
    """

    def __init__(
        self,
        parsers: Mapping[Layer, Callable[[str], Policy]],
        arn_of: Callable[[ManagedPolicy], str],
        parse_trust: Callable[[str], Policy],
    ) -> None:
        """Read the documents of each layer with its parser, which raises `ParseError`.

        Managed ones are read as identity policies and named by `arn_of`; `parse_trust` reads trust policies.
        """
        self._parsers = parsers
        self._parse_trust = parse_trust
        self._arn_of = arn_of
        self.comings = 0
        self._compiled: dict[str, CompiledPolicy | QuarantinedPolicy] = {}
        self._handles: WeakValueDictionary[
            tuple[tuple[str, ...], tuple[str, ...], Layer, tuple[str, ...]], PolicySetHandle
        ] = WeakValueDictionary()
        self._of_resources: dict[str, _HeldDocument] = {}
        # Those with a set, by resource, the oldest first.
        self._ready: OrderedDict[str, _HeldDocument] = OrderedDict()
        self._ready_bytes = 0
        # The resources whose policy was found not to compile.
        self._broken: set[str] = set()
        # The documents that credentials bring themselves.
        self.own = OwnSets(self._compile_own)
        self._log = get_logger("access")

    def __len__(self) -> int:
        return len(self._compiled)

    def count_of_resources(self) -> int:
        """Return how many resources have a policy."""
        return len(self._of_resources)

    def count_quarantined(self) -> int:
        """Return how many policies do not compile; of resources, those that were asked about."""
        managed = sum(isinstance(policy, QuarantinedPolicy) for policy in self._compiled.values())
        return managed + len(self._broken)

    # --- what is stored ---

    def replace_all(self, stored: StoredPolicies) -> None:
        """Hold exactly the policies `stored`."""
        self.comings += 1
        self._compiled = {policy.id: self._compile(policy) for policy in stored.managed}
        for handle in self._handles.values():
            handle.policies = None
        self._of_resources = {
            policy.resource: _HeldDocument(policy) for policy in stored.of_resources
        }
        self._ready.clear()
        self._ready_bytes = 0
        self._broken.clear()

    def replace(
        self, ids: Collection[str], resources: Iterable[str], stored: StoredPolicies
    ) -> None:
        """Hold for the policies `ids` and those of `resources` what `stored` says; others of them are gone."""
        there = {policy_id for policy_id in ids if self._compiled.pop(policy_id, None) is not None}
        for policy in stored.managed:
            self._compiled[policy.id] = self._compile(policy)
        if there != {policy.id for policy in stored.managed}:
            self.comings += 1
        if ids:
            changed = frozenset(ids)
            for handle in self._handles.values():
                if not changed.isdisjoint(
                    (*handle.ids, *handle.deny_only_ids, *handle.granted_ids)
                ):
                    handle.policies = None
        for resource in resources:
            self._drop(resource)
            self._of_resources.pop(resource, None)
            self._broken.discard(resource)
        for document in stored.of_resources:
            self._of_resources[document.resource] = _HeldDocument(document)

    # --- sets of managed policies ---

    def handle(
        self,
        ids: tuple[str, ...],
        deny_only_ids: tuple[str, ...],
        layer: Layer = Layer.IDENTITY,
        granted_ids: tuple[str, ...] = (),
    ) -> PolicySetHandle:
        """Return the one handle for this combination of attachments, each sorted, as this layer."""
        key = (ids, deny_only_ids, layer, granted_ids)
        handle = self._handles.get(key)
        if handle is None:
            handle = PolicySetHandle(*key)
            self._handles[key] = handle
        return handle

    def granting(self, handle: PolicySetHandle, granted: Collection[str]) -> PolicySetHandle:
        """Return the handle for what `handle` is for and the policies `granted` (ids) besides."""
        more = tuple(sorted(set(granted)))
        return self.handle(handle.ids, handle.deny_only_ids, handle.layer, more)

    def build(self, handle: PolicySetHandle) -> PolicySet:
        """Compile the set of `handle` from what is held now, and keep it there until a policy changes."""
        handle.policies = compile_policy_set(
            [
                *(self._find(policy_id) for policy_id in handle.ids),
                *(
                    self._compiled[one]
                    for one in handle.granted_ids
                    if one in self._compiled and one not in handle.ids
                ),
            ],
            deny_only=[self._find(policy_id) for policy_id in handle.deny_only_ids],
            layer=handle.layer,
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
            policy = self._parsers[Layer.IDENTITY](stored.document)
            return compile_policy(policy, arn=arn, version=stored.version)
        except ParseError as error:
            self._report_quarantined(arn, stored.version, error)
            return QuarantinedPolicy(arn=arn, version=stored.version, problem=error.message)

    # --- what a credential brings itself ---

    def _compile_own(self, document: str, layer: Layer) -> CompiledPolicy | QuarantinedPolicy:
        """Compile a document that is a credential's own; decisions call it by its layer and digest.

        Not by the credential: all who have an equal one share it.
        """
        name = f"{layer.value.lower()}/{sha256(document.encode()).hexdigest()[:NAME_DIGITS]}"
        try:
            return compile_policy(self._parsers[layer](document), arn=name, version=OWN_VERSION)
        except ParseError as error:
            self._report_quarantined(name, OWN_VERSION, error)
            return QuarantinedPolicy(arn=name, version=OWN_VERSION, problem=error.message)

    # --- who may assume a role ---

    def compile_trust(self, document: str, role: str) -> PolicySet:
        """Compile the trust policy of the role with this ARN; one that cannot be read lets nobody in."""
        compiled: CompiledPolicy | QuarantinedPolicy
        try:
            policy = self._parse_trust(document)
            compiled = compile_resource_policy(policy, arn=role, version=OWN_VERSION)
        except ParseError as error:
            self._report_quarantined(role, OWN_VERSION, error)
            compiled = QuarantinedPolicy(arn=role, version=OWN_VERSION, problem=error.message)
        return compile_policy_set([compiled], layer=Layer.RESOURCE_POLICY)

    # --- sets of one resource ---

    def resource_set(self, resource: str) -> PolicySet | None:
        """Return the policy in force for `resource` as a set, or `None` where it has none."""
        if not self._of_resources:
            return None
        held = self._of_resources.get(policy_holder(resource))
        if held is None:
            return None
        return held.policies or self._build_of_resource(held)

    def _build_of_resource(self, held: _HeldDocument) -> PolicySet:
        policies = compile_policy_set(
            [self._compile_of_resource(held)], layer=Layer.RESOURCE_POLICY
        )
        held.policies = policies
        self._ready[held.stored.resource] = held
        self._ready_bytes += held.size()
        while self._ready_bytes > COMPILED_RESOURCE_BYTES:
            self._drop(next(iter(self._ready)))
        return policies

    def _drop(self, resource: str) -> None:
        held = self._ready.pop(resource, None)
        if held is not None:
            held.policies = None
            self._ready_bytes -= held.size()

    def _compile_of_resource(self, held: _HeldDocument) -> CompiledPolicy | QuarantinedPolicy:
        arn, version = held.stored.resource, held.stored.version
        try:
            policy = self._parsers[Layer.RESOURCE_POLICY](held.stored.document)
            return compile_resource_policy(policy, arn=arn, version=version)
        except ParseError as error:
            # Once a document: asking about many resources in turn must not fill the log.
            if arn not in self._broken:
                self._report_quarantined(arn, version, error)
            self._broken.add(arn)
            return QuarantinedPolicy(arn=arn, version=version, problem=error.message)

    def _report_quarantined(self, arn: str, version: int, error: ParseError) -> None:
        self._log.error("policy_quarantined", policy=arn, version=version, problem=error.message)
