"""The HTTP mappings that the settings ask for: S3's own, and those of a file of routes.

Not here: what a mapping does (`serving/http_mappings.py`).
"""

import tomllib
from collections.abc import Sequence
from pathlib import Path

from authz.errors import InvalidError, ParseError
from authz.formats.http_routes import HttpRoutes, parse_mappings
from authz.formats.s3_actions import MINIO_PARAMETERS, MINIO_UNKNOWN
from authz.formats.s3_address import MINIO_REFUSED_IN_KEYS, S3Config
from authz.serving.http_mappings import S3, HttpMapping, RoutesMapping, S3Mapping
from authz.settings import Settings


def build_s3_mapping(settings: Settings) -> S3Mapping:
    """Build S3's mapping."""
    is_minio = settings.s3_store == "minio"
    config = S3Config(
        domains=settings.s3_domains,
        endpoints=settings.s3_endpoints,
        keeps_leading_slash=settings.s3_keeps_leading_slash and not is_minio,
        refused_in_keys=MINIO_REFUSED_IN_KEYS if is_minio else (),
        requires_bodies=settings.s3_requires_bodies,
        unknown_subresources=MINIO_UNKNOWN if is_minio else frozenset(),
        refused_parameters=MINIO_PARAMETERS if is_minio else frozenset(),
    )
    return S3Mapping(config)


def build_mappings(settings: Settings) -> dict[str, HttpMapping]:
    """Build every mapping, by the name that routes call it."""
    routes = _read_routes(settings.http_routes_file)
    if settings.trusted_hops and any(one.proofs and one.proofs.certificates for one in routes):
        raise InvalidError(
            "no mapping can take certificates with AUTHZ_TRUSTED_HOPS: Envoy sees that of the proxy before it"
        )
    return {S3: build_s3_mapping(settings), **{one.name: RoutesMapping(one) for one in routes}}


def _read_routes(path: Path | None) -> Sequence[HttpRoutes]:
    if path is None:
        return ()
    try:
        return parse_mappings(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidError(f"{path} cannot be read as TOML: {error}") from None
    except ParseError as error:
        raise InvalidError(f"{path}: {error.message}") from None
