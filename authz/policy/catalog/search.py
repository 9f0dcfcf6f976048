"""Loading the catalog, once, at first use; and looking things up in it, in any case.

The files are part of the software: what is wrong in them is a fault that tests find, not an error to report.
"""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from authz.policy.catalog.data import CATALOG_FILES, KEYS_FILE
from authz.policy.catalog.facts import Action, Key, KeyType, Level, Origin, Service, Source
from authz.policy.patterns import compile_glob
from authz.policy.request import NO_FACTS, Context, fold_key

NEAREST_INPUT_LIMIT: Final = 64
"""Longest unknown name that is compared with the known ones, in characters; the comparison is quadratic."""
NEAREST_CUTOFF: Final = 0.75
"""How alike two names are that are taken for one another, from 0 to 1."""

GLOBAL_PREFIXES: Final = ("aws:", "jwt:", "ldap:")
"""Condition keys that every action may have."""

_ANY: Final = "*"
_ISSUER_KEY: Final = re.compile(
    r"(?P<host>[a-z0-9][a-z0-9.-]*)(?P<more>(?::[0-9]{1,5})?(?:/.*)?):.+", re.DOTALL
)
"""An issuer without its scheme, and a claim: `idp.example.com/realms/x:sub`."""
_NOTHING: Final = Context(NO_FACTS, NO_FACTS, NO_FACTS, 0.0)


def _read(name: str) -> Any:
    text = resources.files("authz.policy.catalog.data").joinpath(name).read_text(encoding="utf-8")
    return json.loads(text)


@cache
def _services() -> Mapping[str, Service]:
    loaded = [_load_service(_read(name)) for name in CATALOG_FILES]
    return MappingProxyType({service.prefix: service for service in loaded})


def _load_service(data: Mapping[str, Any]) -> Service:
    prefix = data["service"]
    shared = {fold_key(key) for key in data["keys"]}
    actions = {
        name.lower(): Action(
            service=prefix,
            name=name,
            level=Level(facts["level"]),
            origin=Origin(facts.get("origin", Origin.AWS)),
            resources=tuple(facts.get("resources", ())),
            keys=frozenset(shared.union(map(fold_key, facts.get("keys", ())))),
        )
        for name, facts in data["actions"].items()
    }
    return Service(
        prefix=prefix,
        name=data["name"],
        resources=data["resources"],
        actions=MappingProxyType(actions),
    )


@cache
def _keys() -> Mapping[str, Key]:
    return MappingProxyType({
        fold_key(name): Key(
            name=name,
            type=KeyType(facts["type"]),
            source=Source(facts["from"]),
            is_many=facts.get("many", False),
            is_always_there=facts.get("always", False),
            is_set=facts.get("set", True),
            values=tuple(facts.get("values", ())),
        )
        for name, facts in _read(KEYS_FILE)["keys"].items()
    })  # fmt: skip


def all_services() -> tuple[Service, ...]:
    """Return every service that is known."""
    return tuple(_services().values())


def all_actions() -> tuple[Action, ...]:
    """Return every action that is known."""
    return tuple(action for service in all_services() for action in service.actions.values())


def all_keys() -> tuple[Key, ...]:
    """Return every condition key and family of keys that is known."""
    return tuple(_keys().values())


def find_service(prefix: str) -> Service | None:
    """Find the service whose actions begin with `prefix` (without the colon)."""
    return _services().get(prefix.lower())


def find_action(text: str) -> Action | None:
    """Find the action `service:Name`."""
    prefix, _, name = text.partition(":")
    service = find_service(prefix)
    return service.actions.get(name.lower()) if service else None


@lru_cache(1024)
def find_actions(pattern: str) -> tuple[Action, ...]:
    """Find all actions that a pattern with `*` and `?` matches."""
    prefix, _, name = pattern.lower().partition(":")
    if pattern == _ANY:
        return all_actions()
    service = find_service(prefix)
    if service is None:
        return ()
    if _ANY not in name and "?" not in name:
        action = service.actions.get(name)
        return (action,) if action else ()
    match = compile_glob((name,))
    return tuple(one for known, one in service.actions.items() if match(known, _NOTHING))


def find_key(name: str) -> Key | None:
    """Find a condition key, or the family it belongs to; a claim of any issuer is one."""
    folded = fold_key(name)
    known = _keys()
    return (
        known.get(folded)
        or next(filter(None, map(known.get, _families(folded))), None)
        or _find_claim(folded)
    )


def _find_claim(folded: str) -> Key | None:
    """Find the key that a claim of an issuer's tokens is, which is set where the host is a domain name.

    Others would be taken for services (`identity/claims.py`), so of theirs there is only `jwt:CLAIM`.
    """
    found = _ISSUER_KEY.fullmatch(folded)
    if found is None or not ("." in found["host"] or found["more"]):
        return None
    return Key(
        name=folded,
        type=KeyType.ANY,
        source=Source.IDENTITY,
        is_many=False,
        is_always_there=False,
        is_set="." in found["host"],
        values=(),
    )


def _families(folded: str) -> Iterator[str]:
    """Yield the names of families: `aws:principaltag/*`, `kms:encryptioncontext:*`, `jwt:*`."""
    head, found, rest = folded.partition("/")
    if found and rest:
        yield f"{head}/{_ANY}"
    # A name within a family may have colons: `kms:EncryptionContext:aws:s3:arn`, a claim called by a URL.
    parts = folded.split(":")
    for count in range(len(parts) - 1, 0, -1):
        if any(parts[count:]):
            yield f"{':'.join(parts[:count])}:{_ANY}"


def is_key_of(name: str, action: Action) -> bool:
    """Tell whether requests for `action` can have the condition key `name`."""
    folded = fold_key(name)
    if folded.startswith(GLOBAL_PREFIXES) or _find_claim(folded) is not None:
        return True
    return folded in action.keys or any(family in action.keys for family in _families(folded))


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that `name` may be a slip of, or an empty text."""
    folded = {one.lower(): one for one in known}
    near = difflib.get_close_matches(
        name[:NEAREST_INPUT_LIMIT].lower(), folded, n=1, cutoff=NEAREST_CUTOFF
    )
    return folded[near[0]] if near else ""
