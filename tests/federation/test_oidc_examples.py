"""The example configurations of the documentation, each with a token of the shape its provider issues."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from authz.formats.provider_oidc import OidcConfig, parse_oidc_config
from tests.federation.conftest import MakeOidc
from tests.identity.provider_claims import SHAPES
from tests.servers.issuer import Issuer, sign

PAGE = Path(__file__).parents[2] / "docs" / "providers-oidc.md"
_EXAMPLE = re.compile(r"<!-- file: ([\w-]+)\.json -->\n```json\n(.*?)^```$", re.DOTALL | re.MULTILINE)  # fmt: skip
EXAMPLES: dict[str, dict[str, Any]] = {
    name: json.loads(text) for name, text in _EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
}
EXPECTED = {
    "keycloak": ("alice", ("/staff", "/staff/admins"), ("readonly",)),
    "okta": ("alice@example.com", ("Everyone", "Data Team"), ()),
    "entra-id": ("alice@example.com", tuple(SHAPES["Entra ID"]["groups"]), ("consoleAdmin",)),
    "google": ("alice@example.com", (), ()),
    "dex": ("alice", ("org:team-a", "org:team-b"), ()),
    "gitlab": ("my-group/my-project", (), ()),
}  # fmt: skip


def test_each_well_known_provider_has_an_example() -> None:
    assert set(EXAMPLES) == set(EXPECTED) == {name.lower().replace(" ", "-") for name in SHAPES}


@pytest.mark.parametrize("name", EXPECTED)
async def test_the_example_takes_a_token_of_its_provider(
    name: str, issuer: Issuer, make_oidc: MakeOidc
) -> None:
    example = EXAMPLES[name]
    parse_oidc_config(example)  # as it stands
    shape = {key.lower().replace(" ", "-"): value for key, value in SHAPES.items()}[name]
    assert example["issuer"] == shape["iss"]
    issuer.describe(issuer=shape["iss"])
    served = {key: value for key, value in example.items() if key != "issuer"} | {
        "discovery_url": f"{issuer.url}/.well-known/openid-configuration"
    }
    provider = make_oidc(shape["iss"], **served)
    fresh = issuer.claims(aud=example["client_ids"][0])
    token = sign(shape | {key: fresh[key] for key in ("aud", "iat", "exp")})

    identity = await provider.verify(token)

    assert identity.name == shape["sub"]
    assert (identity.display_name, identity.groups, identity.policies) == EXPECTED[name]


def test_the_page_names_every_member() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in OidcConfig.__dataclass_fields__ if f"`{name}`" not in text] == []
