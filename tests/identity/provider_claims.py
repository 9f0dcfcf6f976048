"""Claims of tokens as well-known providers issue them, after their public documentation; the values are made up."""

from typing import Any, Final

NOW: Final = 1_700_000_000
ENDS: Final = NOW + 600
CLIENT_ID: Final = "authz-client"

KEYCLOAK: Final[dict[str, Any]] = {
    "exp": ENDS, "iat": NOW, "auth_time": NOW - 5, "jti": "5a1f6e3c-0b5e-4d0b-8f57-7d8ad3d4d1c2",
    "iss": "https://id.example.com/realms/main", "aud": [CLIENT_ID, "account"],
    "sub": "8f2d2b6e-6c1c-4f0a-9a61-2f1e6c0f5b11", "typ": "ID", "azp": CLIENT_ID,
    "sid": "d5b2a4b1-62a5-4df0-8b6a-6b0cb0fb9c0e", "at_hash": "mz3gnTSbm-m4ZLkqOBRUWg", "acr": "1",
    "realm_access": {"roles": ["offline_access", "uma_authorization", "readonly"]},
    "resource_access": {CLIENT_ID: {"roles": ["readwrite"]}, "account": {"roles": ["manage-account"]}},
    "scope": "openid profile email", "email_verified": True, "name": "Alice Adams", "groups": ["/staff", "/staff/admins"],
    "preferred_username": "alice", "given_name": "Alice", "family_name": "Adams", "email": "alice@example.com",
}  # fmt: skip

OKTA: Final[dict[str, Any]] = {
    "sub": "00uid4BxXw6I6TV4m0g3", "name": "Alice Adams", "email": "alice@example.com", "ver": 1,
    "iss": "https://example.okta.com/oauth2/default", "aud": CLIENT_ID, "iat": NOW, "exp": ENDS,
    "jti": "ID.IFgcxh2hm5FBdpiCB5vFz5RXmM6bKu9rBXkfUWlHpGM", "amr": ["mfa", "otp", "pwd"], "idp": "00o1abcdef",
    "preferred_username": "alice@example.com", "auth_time": NOW - 5, "at_hash": "preview_at_hash", "groups": ["Everyone", "Data Team"],
}  # fmt: skip

ENTRA_ID: Final[dict[str, Any]] = {
    "aud": CLIENT_ID, "iss": "https://login.microsoftonline.com/9122040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    "iat": NOW, "nbf": NOW, "exp": ENDS, "aio": "Df2UVXL1ix!lMCWMSOJBcFatzcGfvFGhjKv8q5g0x732dR5MB5BisvGQO7YWByjd8iQDLq!eGbIDakyp5mnOrcdqHeYSnltepQmRp6AIZ8jY",
    "name": "Alice Adams", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "preferred_username": "alice@example.com",
    "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "tid": "9122040d-6c67-4c5b-b112-36a304b66dad", "ver": "2.0",
    "rh": "0.AUEAjS4_QK8nYk2d", "uti": "fqiBqXLPj0eQa82S-IYFAA", "roles": ["consoleAdmin"],
    "groups": ["0760b6cf-170e-4a14-91b3-4b78e0739963", "cb1b3e2f-5a0a-4b9c-8a3c-f1e2d3c4b5a6"],
}  # fmt: skip

GOOGLE: Final[dict[str, Any]] = {
    "iss": "https://accounts.google.com", "azp": CLIENT_ID, "aud": CLIENT_ID, "sub": "110169484474386276334", "hd": "example.com",
    "email": "alice@example.com", "email_verified": True, "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "name": "Alice Adams",
    "picture": "https://lh3.googleusercontent.com/a-/photo", "given_name": "Alice", "family_name": "Adams", "iat": NOW, "exp": ENDS,
}  # fmt: skip

DEX: Final[dict[str, Any]] = {
    "iss": "https://dex.example.com/dex", "sub": "CgcyMzQyNzQ5EgZnaXRodWI", "aud": CLIENT_ID, "exp": ENDS, "iat": NOW,
    "at_hash": "piwt8oCH-K2D9pXlaS1Y-w", "email": "alice@example.com", "email_verified": True, "groups": ["org:team-a", "org:team-b"],
    "name": "Alice", "preferred_username": "alice", "federated_claims": {"connector_id": "github", "user_id": "2342749"},
}  # fmt: skip

GITLAB_JOB: Final[dict[str, Any]] = {
    "namespace_id": "72", "namespace_path": "my-group", "project_id": "20", "project_path": "my-group/my-project", "user_id": "1",
    "user_login": "alice", "user_email": "alice@example.com", "user_access_level": "owner", "pipeline_id": "574",
    "pipeline_source": "push", "job_id": "302", "ref": "feature-branch-1", "ref_type": "branch", "ref_path": "refs/heads/feature-branch-1",
    "ref_protected": "false", "groups_direct": ["my-group/sub"], "environment": "production", "runner_id": 1,
    "runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "public",
    "ci_config_ref_uri": "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main", "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
    "iss": "https://gitlab.example.com", "iat": NOW, "nbf": NOW - 5, "exp": ENDS, "aud": CLIENT_ID,
    "sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1",
}  # fmt: skip

SHAPES: Final = {"Keycloak": KEYCLOAK, "Okta": OKTA, "Entra ID": ENTRA_ID, "Google": GOOGLE, "Dex": DEX, "GitLab": GITLAB_JOB}  # fmt: skip
