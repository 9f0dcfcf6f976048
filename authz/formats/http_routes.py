"""Which action and resource a request to some HTTP service means, from a table that the deployer writes.

A mapping is a list of routes, tried in order; the first whose method and path template match says the
action, the resource and the condition values. What matches nothing is refused: a route that was forgotten is
closed, not open.
What two servers could route differently (encoded slashes, dot segments, empty segments) is refused before any
route is tried, and what a template picks out of the path is put into the resource as it is, never as a pattern.
A header that becomes a condition value must be signed, where the request is.

    name = "orders"
    services = ["orders"]                       # service names a signature's scope may have
    bearer = ["id_token"]                       # what may be presented instead of a signature; nothing, without

    [[route]]
    method = "GET"                              # one, a list, or "*"
    path = "/orders/{order_id}/files/{rest...}"
    action = "orders:GetFile"
    resource = "arn:aws:orders:::order/{order_id}/{rest}"
    facts = { "orders:Tenant" = "header:x-tenant", "orders:Expand" = "query:expand" }

Not here: S3 (`s3_http.py`), reading the file (`bootstrap.py`).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from authz.errors import ParseError, quote
from authz.formats.check import Check, as_fact, client_facts
from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest, percent_decode, split_query
from authz.identity.sigv4 import Proof
from authz.policy.request import Values, fold_key

ROUTE_LIMIT: Final = 1_000
"""Most routes in one mapping; they are tried one after the other."""
PATH_LIMIT: Final = 8_192
"""Longest path and longest query of a request, in characters, that is looked at."""
BEARER_KINDS: Final = frozenset({"id_token", "session_token"})
"""What `bearer` may name. A session's token is a word of its own: it travels in URLs that were signed with it,
where an ID token does not."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_ACTION: Final = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_TAIL: Final = re.compile(r"\{([a-z_][a-z0-9_]*)\.\.\.\}")
_FACT_KEY: Final = re.compile(r"[A-Za-z0-9-]+:[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)?")
_FACT_SOURCE: Final = re.compile(r"(header|query):([A-Za-z0-9._-]+)")
# What a fact of a request may not call itself: these say who acts, or what the server saw.
_RESERVED_FACTS: Final = ("aws:", "jwt:", "ldap:", "saml:", "sts:", "svc:", "s3:")
# What follows a raw `;` is a parameter of its segment to some servers, and not part of the path.
_BAD_RAW: Final = re.compile(r"[\x00-\x20\x7f#;\\?]|%2[fF]|%5[cC]")


class OtherProofs(NamedTuple):
    """What the requests of a mapping may present instead of a signature.

    `bearer` are kinds of tokens; `certificates` says whether the client's certificate counts. With
    `strips_authorization` the `Authorization` header goes no further than here.
    """

    bearer: frozenset[str]
    certificates: bool
    strips_authorization: bool


class FactSource(NamedTuple):
    """Where a condition value comes from: a `header` or a `query` parameter of this name."""

    key: str
    kind: str
    name: str


class Route(NamedTuple):
    """One row of the table, ready to match.

    `segments` are the template's: a literal text, or `None` where `names` has a name for what stands there.
    `tail` names what takes the rest of the path, empty without. `methods` is empty for all.
    """

    methods: frozenset[str]
    segments: tuple[str | None, ...]
    names: tuple[str, ...]
    tail: str
    action: str
    resource: str
    facts: tuple[FactSource, ...]


class HttpRoutes:
    """The routes of one mapping: its `name`, and the `services` that a signature may be scoped to.

    `proofs` is `None` where nothing but a signature counts.
    """

    def __init__(
        self,
        name: str,
        services: frozenset[str],
        routes: Sequence[Route],
        proofs: OtherProofs | None = None,
    ) -> None:
        self.name = name
        self.proofs = proofs
        self.services = services
        self._routes = tuple(routes)

    def match(self, request: HttpRequest, proof: Proof | None = None) -> tuple[Check, ...]:
        """Return what the request needs by the first route that matches.

        Headers that become condition values must be among those that `proof` signs. Raises
        `S3RequestError` (its `code` and `status` serve JSON answers as well) when one is not, the path is
        ambiguous, or no route matches.
        """
        segments = _segments(request.path)
        for route in self._routes:
            if not route.methods or request.method in route.methods:
                values = _match(route, segments)
                if values is not None:
                    return (_check(route, values, request, proof),)
        raise S3RequestError("AccessDenied", "no route of this service matches the request")


def _segments(path: str) -> tuple[str, ...]:
    if len(path) > PATH_LIMIT or not path.startswith("/") or _BAD_RAW.search(path) is not None:
        raise S3RequestError("InvalidURI", "the path is too long or holds an ambiguous character")
    try:
        segments = tuple(percent_decode(path[1:]).split("/"))
    except ParseError as error:
        raise S3RequestError("InvalidURI", f"the path has {error.message}") from None
    if any(segment in {".", ".."} for segment in segments) or "" in segments[:-1]:
        raise S3RequestError("InvalidURI", "the path has an empty or a dot segment")
    if "\0" in path or any("\0" in segment for segment in segments):
        raise S3RequestError("InvalidURI", "the path holds a NUL")
    return segments


def _match(route: Route, segments: tuple[str, ...]) -> dict[str, str] | None:
    expected = route.segments
    count = len(expected)
    if len(segments) != count and not (route.tail and len(segments) > count):
        return None
    found: list[str] = []
    for literal, segment in zip(expected, segments, strict=False):
        if literal is None:
            if not segment:
                return None
            found.append(segment)
        elif literal != segment:
            return None
    values = dict(zip(route.names, found, strict=True))
    if route.tail:
        rest = "/".join(segments[count:])
        if not rest:
            return None
        values[route.tail] = rest
    return values


def _check(
    route: Route, values: Mapping[str, str], request: HttpRequest, proof: Proof | None
) -> Check:
    resource = _PLACEHOLDER.sub(lambda match: values[match[1]], route.resource)
    return Check(route.action, resource, _facts(route, request, proof))


def _facts(route: Route, request: HttpRequest, proof: Proof | None) -> Mapping[str, Values]:
    facts = client_facts(request)
    parameters = _parameters(request.query) if route.facts else {}
    for key, kind, name in route.facts:
        value = _header(request, name, proof) if kind == "header" else parameters.get(name)
        if value is not None:
            facts[key] = (as_fact(name, value.strip()),)
    return facts


def _header(request: HttpRequest, name: str, proof: Proof | None) -> str | None:
    if name in request.repeated:
        raise S3RequestError("InvalidRequest", f"the header {quote(name)} is sent more than once")
    value = request.headers.get(name)
    if value is not None and proof is not None and name not in proof.signed_headers:
        raise S3RequestError("AccessDenied", f"the header {quote(name)} must be signed")
    return value


def _parameters(query: str) -> dict[str, str]:
    if len(query) > PATH_LIMIT:
        raise S3RequestError("InvalidURI", "the query is too long")
    parameters: dict[str, str] = {}
    for raw_name, raw_value in split_query(query):
        name = _decode_parameter(raw_name)
        if name in parameters:
            raise S3RequestError("InvalidRequest", f"the parameter {quote(name)} is repeated")
        parameters[name] = _decode_parameter(raw_value)
    return parameters


def _decode_parameter(text: str) -> str:
    try:
        return percent_decode(text.replace("+", " "))
    except ParseError as error:
        raise S3RequestError("InvalidURI", f"the query has {error.message}") from None


# Reading the table. Places are those of the TOML document: `route[2].path`.


def parse_mappings(document: Mapping[str, Any]) -> tuple[HttpRoutes, ...]:
    """Read a file of mappings: an array of tables `mapping`, each as `parse_routes` takes it."""
    _only_members(document, {"mapping"}, "")
    tables = document.get("mapping")
    if not isinstance(tables, list) or not tables:
        raise ParseError("a file of mappings needs at least one `[[mapping]]`", place="mapping")
    mappings = [
        _parse_mapping(_table(table, f"mapping[{at}]"), f"mapping[{at}].")
        for at, table in enumerate(tables)
    ]
    names = [mapping.name for mapping in mappings]
    for at, name in enumerate(names):
        if name in names[:at] or name == "s3":
            raise ParseError(f"the name {quote(name)} is taken", place=f"mapping[{at}].name")
    return tuple(mappings)


def parse_routes(document: Mapping[str, Any]) -> HttpRoutes:
    """Read one mapping (a parsed TOML table); raises `ParseError` with the place of what is wrong."""
    return _parse_mapping(document, "")


def _parse_mapping(document: Mapping[str, Any], at: str) -> HttpRoutes:
    _only_members(document, _MEMBERS, at)
    name = _text(document, "name", at, _NAME)
    services = _texts(document, "services", at)
    routes = document.get("route")
    if not isinstance(routes, list) or not 1 <= len(routes) <= ROUTE_LIMIT:
        raise ParseError(f"a mapping needs 1 to {ROUTE_LIMIT} routes", place=f"{at}route")
    parsed = [
        _parse_route(_table(route, f"{at}route[{i}]"), f"{at}route[{i}].")
        for i, route in enumerate(routes)
    ]
    return HttpRoutes(name, frozenset(services), parsed, _parse_proofs(document, at))


def _parse_proofs(document: Mapping[str, Any], at: str) -> OtherProofs | None:
    bearer = _texts(document, "bearer", at) if "bearer" in document else []
    for kind in bearer:
        if kind not in BEARER_KINDS:
            known = ", ".join(sorted(BEARER_KINDS))
            raise ParseError(f"{quote(kind)} is none of {known}", place=f"{at}bearer")
    certificates = _flag(document, "certificates", at)
    strips = _flag(document, "strip_authorization", at)
    if not (bearer or certificates or strips):
        return None
    return OtherProofs(frozenset(bearer), certificates, strips)


_MEMBERS: Final = {"name", "services", "bearer", "certificates", "strip_authorization", "route"}


def _parse_route(table: Mapping[str, Any], at: str) -> Route:
    _only_members(table, {"method", "path", "action", "resource", "facts"}, at)
    segments, names, tail = _parse_template(_text(table, "path", at), f"{at}path")
    resource = _text(table, "resource", at)
    known = {*names, tail}
    unknown = [name for name in _PLACEHOLDER.findall(resource) if name not in known]
    if unknown:
        raise ParseError(f"the path has no {quote(unknown[0])}", place=f"{at}resource")
    if resource != "*" and (not resource.startswith("arn:") or resource.count(":") < 5):
        raise ParseError("a resource is `*` or an ARN", place=f"{at}resource")
    if set(_PLACEHOLDER.sub("", resource)) & set("{}") or "{" in resource.rsplit(":", 1)[0]:
        raise ParseError(
            "placeholders stand in an ARN's last part, as `{name}`", place=f"{at}resource"
        )
    return Route(
        _parse_methods(table, at),
        segments,
        names,
        tail,
        _text(table, "action", at, _ACTION),
        resource,
        _parse_facts(table.get("facts", {}), f"{at}facts"),
    )


def _parse_methods(table: Mapping[str, Any], at: str) -> frozenset[str]:
    if table.get("method") == "*":
        return frozenset()
    methods = _texts(table, "method", at)
    for method in methods:
        if _METHOD.fullmatch(method) is None:
            raise ParseError(f"{quote(method)} is not a method", place=f"{at}method")
    return frozenset(methods)


def _parse_template(path: str, place: str) -> tuple[tuple[str | None, ...], tuple[str, ...], str]:
    if not path.startswith("/"):
        raise ParseError("a path begins with `/`", place=place)
    segments: list[str | None] = []
    names: list[str] = []
    pieces = path[1:].split("/")
    tail = _TAIL.fullmatch(pieces[-1])
    for at, piece in enumerate(pieces[:-1] if tail else pieces):
        placeholder = _PLACEHOLDER.fullmatch(piece)
        if placeholder is not None:
            segments.append(None)
            names.append(placeholder[1])
        elif (
            set(piece) & set("{}*%?#;")
            or piece in {".", ".."}
            or (not piece and at < len(pieces) - 1)
        ):
            raise ParseError(
                f"the segment {quote(piece)} is not a literal or a `{{name}}`", place=place
            )
        else:
            segments.append(piece)
    if tail:
        names.append(tail[1])
    if len(set(names)) != len(names):
        raise ParseError("a name stands twice in the path", place=place)
    return tuple(segments), tuple(names[:-1] if tail else names), tail[1] if tail else ""


def _parse_facts(table: object, place: str) -> tuple[FactSource, ...]:
    facts = []
    for key, source in _table(table, place).items():
        match = _FACT_SOURCE.fullmatch(source) if isinstance(source, str) else None
        if match is None:
            raise ParseError(
                "a fact comes from `header:NAME` or `query:NAME`", place=f"{place}.{key}"
            )
        if _FACT_KEY.fullmatch(key) is None or key.lower().startswith(_RESERVED_FACTS):
            raise ParseError(f"{quote(key)} is not a condition key a request may set", place=place)
        kind, name = match.groups()
        facts.append(FactSource(fold_key(key), kind, name.lower() if kind == "header" else name))
    return tuple(facts)


def _table(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ParseError("a table is expected", place=place)
    return value


def _only_members(table: Mapping[str, Any], known: set[str], at: str) -> None:
    for name in table:
        if name not in known:
            raise ParseError(f"unknown member {quote(name)}", place=f"{at}{name[:80]}")


def _text(
    table: Mapping[str, Any], name: str, at: str, pattern: re.Pattern[str] | None = None
) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value:
        raise ParseError("a text is expected", place=f"{at}{name}")
    if pattern is not None and pattern.fullmatch(value) is None:
        raise ParseError(f"{quote(value)} does not have the form of a {name}", place=f"{at}{name}")
    return value


def _flag(table: Mapping[str, Any], name: str, at: str) -> bool:
    value = table.get(name, False)
    if not isinstance(value, bool):
        raise ParseError("true or false is expected", place=f"{at}{name}")
    return value


def _texts(table: Mapping[str, Any], name: str, at: str) -> list[str]:
    value = table.get(name)
    values = [value] if isinstance(value, str) else value
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(v, str) and v for v in values)
    ):
        raise ParseError("a text, or a list of them, is expected", place=f"{at}{name}")
    return values
