"""The catalog: which actions, resource types and condition keys there are, as facts in data files.

Used by `validate`, by completion in the command line and by the console; never by `decide`, for which any text
is an action. A service that is not here (one behind a configured route) is unknown, not wrong.

One JSON file a service in `data/`, one action a line:

- `service`, `name`, `source`: the prefix of its actions, its name, where the facts come from;
- `keys`: condition keys that every action of the service has;
- `resources`: resource type → ARN, where `{name}` stands for text without `/` and `{name+}` for any text;
- `actions`: name → `level` (`read`, `write`, `list`, `tagging`, `permissions`), `resources` (its types; missing
  for an action that is about no single resource), `keys` (besides those of the service and the global `aws:`
  ones), `origin` (`minio` or `authz` where AWS has no such action).

`data/keys.json` has a line a condition key: `type`, `from` (`server`, `identity`, `request`, or `resource` for
what only the store knows), and where they hold `many` (a set of values), `always` (in every request), `set`
(false where this service never sets it), `values` (all there are). A key that ends in `*` is a family. A
claim of an issuer (`idp.example.com/realms/x:sub`) is a key without a line.
"""

from authz.policy.catalog.data import CATALOG_FILES, KEYS_FILE
from authz.policy.catalog.facts import Action, Key, KeyType, Level, Origin, Service, Source
from authz.policy.catalog.search import (
    all_actions,
    all_keys,
    all_services,
    find_action,
    find_actions,
    find_key,
    find_service,
    is_key_of,
    nearest,
)

__all__ = [
    "CATALOG_FILES",
    "KEYS_FILE",
    "Action",
    "Key",
    "KeyType",
    "Level",
    "Origin",
    "Service",
    "Source",
    "all_actions",
    "all_keys",
    "all_services",
    "find_action",
    "find_actions",
    "find_key",
    "find_service",
    "is_key_of",
    "nearest",
]
