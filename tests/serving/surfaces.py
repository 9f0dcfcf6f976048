"""All surfaces over a data plane, called with bytes and answering bytes, and what callers send them."""

import hashlib
from collections.abc import Mapping

from envoy.service.auth.v3 import external_auth_pb2

from authz.access.bearers import Bearers
from authz.access.entries import UserEntry
from authz.bootstrap.documents import check_resource_document, check_trust_document
from authz.control.login_outcomes import LoginOutcomes
from authz.control.logins import Logins
from authz.control.providers import Providers
from authz.control.resource_policies import ResourcePolicies
from authz.control.roles import Roles
from authz.federation.checks import ProviderChecks
from authz.federation.registry import Registry
from authz.formats.http_routes import parse_routes
from authz.formats.s3_http import S3Config
from authz.identity.principal import ANONYMOUS
from authz.identity.records import TargetKind
from authz.identity.sigv4 import sign_headers
from authz.serving import (
    admin_handlers,
    admin_policy_handlers,
    admin_provider_handlers,
    admin_role_handlers,
    admin_session_handlers,
)
from authz.serving.admin import AdminSurface
from authz.serving.authentication import AuthenticationSurface
from authz.serving.authorization import AuthorizationSurface
from authz.serving.bearer_logins import BearerLogins
from authz.serving.call import Call, is_stream
from authz.serving.explanation import ExplanationSurface
from authz.serving.ext_authz import ExtAuthz
from authz.serving.external_users import ExternalUsers
from authz.serving.gate import Gate
from authz.serving.http_mappings import RoutesMapping, S3Mapping
from authz.serving.login_limits import LoginLimits
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.reach import ReachSurface
from authz.store.sql.store import SqlStore
from tests.access.world import ACCOUNT, REGION, World

PEER = "ipv4:192.0.2.9:40000"
CHECK = "/envoy.service.auth.v3.Authorization/Check"
AUTHORIZATION = "/authz.v1.AuthorizationService"
AUTHENTICATE = "/authz.v1.AuthenticationService/Authenticate"
USERS = "/authz.admin.v1.UserService"
EMPTY = hashlib.sha256(b"").hexdigest()
ROUTES = {
    "name": "orders",
    "services": ["orders"],
    "route": [
        {
            "method": "GET",
            "path": "/orders/{id}",
            "action": "orders:Get",
            "resource": "arn:aws:orders:::order/{id}",
        }
    ],
}

OTHER_PROOFS = {
    "tokens": {"bearer": ["id_token", "session_token"]},
    "id-tokens": {"bearer": "id_token", "strip_authorization": True},
    "certificates": {"certificates": True},
    "all": {"bearer": ["id_token", "session_token"], "certificates": True},
}
"""Mappings like `orders` that take more than signatures."""

S3_CONFIG = S3Config(endpoints=("s3.example.com",))


def build_bearer_logins(world: World, registry: Registry) -> BearerLogins:
    bearers = Bearers(
        world.policies, world.providers, lambda: world.refresher.applied, world.metrics, world.clock, limit=1000,
    )  # fmt: skip
    store = SqlStore(world.database, on_commit=world.refresher.hint)
    users = ExternalUsers(
        Logins(store, world.clock), world.principals, world.policies, world.refresher, account=ACCOUNT,
    )  # fmt: skip
    return BearerLogins(
        registry, users, world.principals, bearers, world.authenticator,
        world.metrics, world.clock,
    )  # fmt: skip


class Surfaces:
    """The surfaces of a world."""

    def __init__(self, world: World, *, trusted_hops: int = 0, s3: S3Config = S3_CONFIG) -> None:
        self.world = world
        metrics, clock = world.metrics, world.clock
        self.gate = Gate(world.authenticator, world.authorizer, metrics, clock)
        mappings = {
            "s3": S3Mapping(s3),
            "orders": RoutesMapping(parse_routes(ROUTES)),
            **{
                name: RoutesMapping(parse_routes(ROUTES | {"name": name} | proofs))
                for name, proofs in OTHER_PROOFS.items()
            },
        }
        anonymous = UserEntry(ANONYMOUS, world.policies.handle((), ()), is_enabled=True)
        self.registry = Registry(world.control.ring, world.clock, world.metrics)
        world.providers.follow(self.registry.follow)
        self.bearers = build_bearer_logins(world, self.registry)
        ext_authz = ExtAuthz(
            world.authenticator, self.bearers, world.authorizer, mappings, anonymous, metrics, clock,
            trusted_hops=trusted_hops,
        )  # fmt: skip
        refs = PrincipalRefs(world.principals, world.root, anonymous, clock)
        authorization = AuthorizationSurface(
            refs, self.bearers, world.authorizer, world.refresher, metrics, clock
        )
        explanation = ExplanationSurface(
            authorization, refs, world.authorizer, world.refresher, self.gate, clock
        )
        reach = ReachSurface(
            refs, world.principals, world.authorizer, world.refresher, self.gate,
            world.root.owner, anonymous,
        )  # fmt: skip
        authentication = AuthenticationSurface(
            world.authenticator, self.bearers, world.authorizer, world.refresher, metrics, clock,
            services=frozenset({"s3", "orders"}),
        )  # fmt: skip
        control = world.control
        checks = ProviderChecks(clock)
        providers = Providers(
            control.store, clock, control.ring, checks.check, checks.check_kept_secret
        )
        self.limits = LoginLimits(clock)
        self.resource_policies = ResourcePolicies(control.store, clock, check_resource_document)
        users = admin_handlers.UserHandlers(control.users, control.policies, ACCOUNT)
        stored_roles = Roles(control.store, clock, check_trust_document)
        roles = admin_role_handlers.RoleHandlers(stored_roles, control.policies, ACCOUNT, clock)
        handlers = (
            users,
            roles,
            admin_handlers.AccessKeyHandlers(control.access_keys, control.users),
            admin_handlers.GroupHandlers(control.groups, control.users, ACCOUNT),
            admin_policy_handlers.PolicyHandlers(control.policies, ACCOUNT, clock),
            admin_policy_handlers.ResourcePolicyHandlers(self.resource_policies, clock),
            admin_policy_handlers.AttachmentHandlers(
                control.attachments,
                control.users,
                control.groups,
                stored_roles,
                providers,
                control.policies,
            ),
            admin_session_handlers.SessionHandlers(
                control.sessions, control.trail, control.users, stored_roles, providers, metrics
            ),
            admin_provider_handlers.ProviderHandlers(
                providers,
                LoginOutcomes(control.store),
                self.registry,
                self.limits,
                world.refresher.wait_for,
                clock,
                ACCOUNT,
            ),
        )
        boundaries = {
            TargetKind.USER: users.find_boundary,
            TargetKind.ROLE: roles.find_boundary,
        }
        self.by_name = {
            "ext_authz": ext_authz.methods,
            "authz_v1": {
                **authorization.methods,
                **explanation.methods,
                **reach.methods,
                **authentication.methods,
            },
            "admin": AdminSurface(self.gate, ACCOUNT, handlers, boundaries).methods,
        }
        self.methods = {name: m for methods in self.by_name.values() for name, m in methods.items()}

    async def send(self, path: str, raw: bytes, metadata: Mapping[str, str] | None = None) -> bytes:
        if is_stream(self.methods[path]):
            # Messages one after the other are one message with all that they have.
            return b"".join([part async for part in self.stream(path, raw, metadata)])
        answer = self.methods[path](raw, Call(path, metadata or {}, PEER))
        return answer if isinstance(answer, bytes) else await answer

    def stream(self, path: str, raw: bytes, metadata: Mapping[str, str] | None = None):
        return self.methods[path](raw, Call(path, metadata or {}, PEER))

    async def ask(self, path: str, request, answer, metadata=None):
        return answer.FromString(await self.send(path, request.SerializeToString(), metadata))

    async def check(self, raw: bytes) -> external_auth_pb2.CheckResponse:
        return external_auth_pb2.CheckResponse.FromString(await self.send(CHECK, raw))

    def signed(self, path: str, raw: bytes, credential, **parts) -> dict[str, str]:
        """Return the metadata that signs `raw` as a call of `path`."""
        scope = {"region": REGION, "service": "authz", "now": self.world.clock.now(), **parts}
        payload = scope.pop("payload", hashlib.sha256(raw).hexdigest())
        access_key_id, secret = credential
        return sign_headers(
            "POST", path, "", {"host": "authz"}, payload,
            access_key_id=access_key_id, secret=secret, **scope,
        )  # fmt: skip


def question(
    credential,
    now,
    method="GET",
    path="/box/k",
    *,
    service="s3",
    signed=(),
    extra=(),
    mapping="",
    raw=True,
) -> external_auth_pb2.CheckRequest:
    """Return Envoy's question about one request; `extra` lines are added after signing."""
    headers = {"host": "s3.example.com", **dict(signed)}
    if credential is not None:
        bare, _, query = path.partition("?")
        headers |= sign_headers(
            method, bare, query, headers, EMPTY,
            access_key_id=credential[0], secret=credential[1], region=REGION, service=service, now=now,
        )  # fmt: skip
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.scheme, http.host = method, path, "http", headers["host"]
    lines = {":authority": headers.pop("host"), ":path": path, ":method": method, ":scheme": "http"}
    for name, value in [*lines.items(), *headers.items(), *extra]:
        if raw:
            http.header_map.headers.add(key=name, raw_value=value.encode("latin-1", "replace"))
        else:
            http.headers[name] = value
    request.attributes.source.address.socket_address.address = "192.0.2.7"
    if mapping:
        request.attributes.context_extensions["authz.mapping"] = mapping
    return request
