"""Administrators ask (`authz.admin.v1`): keep users, keys, groups, roles, policies and where they hold.

Every method goes the same way: read the message, look up what it needs
(`serving/admin_requirements.py`), pass the gate, then call the use-case (`serving/admin_handlers.py`). The way
is built here, once, for every method of the services' descriptors, so no method can be without its gate; one
without a handler stops the start.

Not here: what a change means (`control`), or how messages are read and written (`formats/admin_v1.py`).
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from authz.access.entries import KeyEntry
from authz.errors import ForbiddenError
from authz.formats.authz_v1 import parse_message
from authz.identity.records import TargetKind, fold_name
from authz.policy.arn import user_arn
from authz.policy.request import Values
from authz.serving.admin_requirements import (
    BOUNDARY_KEY,
    CALLER,
    PACKAGE,
    bounded_of,
    facts_of,
    find_requirement,
    keys_owner_of,
    needed_for_tags,
    resource_of,
)
from authz.serving.call import Call, Method, Methods
from authz.serving.gate import FindFacts, no_facts, peer_ip
from authz.serving.logged_in import is_login
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    policy_service_pb2,
    provider_service_pb2,
    resource_policy_service_pb2,
    role_service_pb2,
    session_service_pb2,
    user_service_pb2,
)

SERVICES: Final[tuple[ServiceDescriptor, ...]] = tuple(
    service
    for module in (
        user_service_pb2,
        access_key_service_pb2,
        group_service_pb2,
        role_service_pb2,
        policy_service_pb2,
        resource_policy_service_pb2,
        attachment_service_pb2,
        session_service_pb2,
        provider_service_pb2,
    )
    for service in module.DESCRIPTOR.services_by_name.values()
)
"""The services of `authz.admin.v1`."""

Handler = Callable[..., Awaitable[Message]]
"""One method behind the gate: its request → its answer.

Those about the caller, and those of `TAKING_CALLER`, take its `KeyEntry` besides; those of `TAKING_SOURCE` the
address that the call comes from, too.
"""

FindBoundary = Callable[[str], Awaitable[str]]
"""A name → the ARN of the permissions boundary of what it names, empty for none and for what is not there."""

TAKING_SOURCE: Final = frozenset({f"/{PACKAGE}.ProviderService/TestProvider"})
"""Methods in which something could be guessed."""

TAKING_CALLER: Final = TAKING_SOURCE | {
    f"/{PACKAGE}.{method}"
    for method in (
        "ResourcePolicyService/PutResourcePolicy",
        "AccessKeyService/CreateAccessKey",
        "ProviderService/CreateProvider",
        "ProviderService/UpdateProvider",
        "ProviderService/DeleteProvider",
        "SessionService/RevokeSessions",
    )
}
"""Methods that are something else for some callers, and those that say in the log who called."""

_WORD: Final = re.compile(r"(?<!^)(?=[A-Z])")


class AdminGate(Protocol):
    """Who stands in front of the control plane."""

    async def admit(
        self,
        call: Call,
        raw: bytes,
        action: str,
        admin_action: str | None,
        resource: str,
        *,
        also: Sequence[str] = (),
        find_facts: FindFacts = no_facts,
        needs_allow: bool = True,
    ) -> KeyEntry:
        """Return what signed the call, once it is proved and may do all this; raises what refuses the call."""
        ...


class AdminSurface:
    """The methods of `authz.admin.v1`, each behind the gate."""

    def __init__(
        self,
        gate: AdminGate,
        account: str,
        handlers: Iterable[object],
        find_boundary: Mapping[TargetKind, FindBoundary],
    ) -> None:
        """Serve what `handlers` have methods for: `CreateUser` is the method `create_user` of one of them."""
        self._gate = gate
        self._account = account
        self._find_boundary = find_boundary
        handlers = tuple(handlers)
        self.methods: Methods = {
            path: self._guard(path, kind, _find_handler(handlers, name))
            for path, name, kind in list_methods()
        }

    def _guard(self, path: str, kind: type[Message], handler: Handler) -> Method:
        async def method(raw: bytes, call: Call) -> bytes:
            request = parse_message(kind, raw)
            needed = find_requirement(path, request)
            resource = resource_of(needed, request, self._account)
            is_own = needed.kind == CALLER
            caller = await self._gate.admit(
                call,
                raw,
                needed.action,
                needed.admin_action,
                resource,
                also=needed_for_tags(path, request),
                find_facts=lambda: self._find_facts(request),
                needs_allow=not is_own,
            )
            self._refuse_widening(caller, request)
            arguments: list[object] = [caller] if is_own or path in TAKING_CALLER else []
            if path in TAKING_SOURCE:
                arguments.append(peer_ip(call.peer))
            answer = await handler(request, *arguments)
            return answer.SerializeToString()

        return method

    def _refuse_widening(self, caller: KeyEntry, request: Message) -> None:
        # What ends, or may do less than its owner, must not make what lasts or may do it all.
        is_lesser = caller.is_narrowed or caller.expires_at is not None
        owner = keys_owner_of(request) if is_lesser else None
        # Compared as the store compares names: no other spelling reaches the owner's keys past this.
        own_arn = caller.owner.principal.arn
        if owner is None or fold_name(user_arn(self._account, owner)) != fold_name(own_arn):
            return
        is_new = request.DESCRIPTOR.name == "CreateAccessKeyRequest"
        if not (is_new and is_login(caller) and owner == caller.owner.principal.name):
            raise ForbiddenError(
                "a credential that ends or has a policy of its own may not change its owner's access keys"
            )

    async def _find_facts(self, request: Message) -> Mapping[str, Values]:
        facts = facts_of(request, self._account)
        kind, name = bounded_of(request) or (None, "")
        find = self._find_boundary.get(kind) if kind else None
        boundary = await find(name) if find else ""
        return {**facts, BOUNDARY_KEY: (boundary,)} if boundary else facts


def list_methods() -> Iterator[tuple[str, str, type[Message]]]:
    """Yield every method: full name, the name of its handler, and its request's class."""
    for service in SERVICES:
        for method in service.methods:
            name = _WORD.sub("_", method.name).lower()
            yield f"/{service.full_name}/{method.name}", name, GetMessageClass(method.input_type)


def _find_handler(handlers: Iterable[object], name: str) -> Handler:
    for one in handlers:
        handler: Handler | None = getattr(one, name, None)
        if handler is not None:
            return handler
    raise NotImplementedError(f"no handler has a method {name}")
