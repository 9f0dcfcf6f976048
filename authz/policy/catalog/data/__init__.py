"""The data files of the catalog; their format is told in `authz/policy/catalog/__init__.py`."""

from typing import Final

KEYS_FILE: Final = "keys.json"
CATALOG_FILES: Final = (
    "s3.json", "s3express.json", "s3-object-lambda.json", "iam.json", "sts.json", "kms.json", "admin.json",
    "authz.json",
)  # fmt: skip
"""The services, in the order they are shown in."""
