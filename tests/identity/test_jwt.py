"""ID tokens and key sets: what is accepted, and every published way to make one that should not be."""

import base64
import hashlib
import hmac
import json
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import ParseError, UnauthenticatedError
from authz.identity import jwt
from authz.identity.claims import ClaimNames, read_claims
from authz.identity.jwk import ALGORITHMS, KEYS_LIMIT, VerificationKey, parse_key_set
from authz.identity.jwt import LEEWAY, TOKEN_LIMIT, Token, parse_token
from authz.identity.strict_json import DEPTH_LIMIT, parse_object
from tests.servers.issuer import (
    EC,
    EC384,
    EC521,
    ED,
    OTHER_RSA,
    RSA,
    private_jwk,
    public_jwk,
    sign,
)

ISSUER = "https://id.example.com/realms/one"
CLIENTS = ("authz-client", "console")
NOW = 1_700_000_000
GOOD: dict[str, Any] = {"iss": ISSUER, "aud": "authz-client", "sub": "alice", "iat": NOW, "exp": NOW + 600}  # fmt: skip
KEYS = parse_key_set({"keys": [public_jwk(RSA, "one"), public_jwk(EC, "two"), public_jwk(ED, "three")]})  # fmt: skip


def encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def compact(header: object, claims: object, signature: bytes = b"x") -> str:
    """Return a token of any header and claims, however they are written."""
    parts = [p if isinstance(p, bytes) else json.dumps(p).encode() for p in (header, claims)]
    return ".".join(encode(part) for part in (*parts, signature))


def verify(token: str, keys: tuple[VerificationKey, ...] = KEYS, now: float = NOW) -> Token:
    """Do all of it, as the provider does."""
    parsed = parse_token(token)
    jwt.check_origin(parsed, ISSUER, CLIENTS)
    jwt.check_times(parsed, now)
    jwt.check_signature(parsed, jwt.find_keys(parsed, keys))
    return parsed


def refusal(token: str, **kwargs: Any) -> str:
    with pytest.raises(UnauthenticatedError) as error:
        verify(token, **kwargs)
    assert error.value.code == "InvalidIdentityToken"
    assert len(error.value.message) < 250
    assert "\n" not in error.value.message
    return error.value.message


def claims_with(**claims: object) -> dict[str, Any]:
    return {name: value for name, value in (GOOD | claims).items() if value is not None}


# --- what is accepted ---


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        *((f"{family}{size}", RSA) for family in ("RS", "PS") for size in (256, 384, 512)),
        ("ES256", EC),
        ("ES384", EC384),
        ("ES512", EC521),
        ("EdDSA", ED),
    ],
)
def test_each_algorithm_of_the_list_is_verified(algorithm: str, key: Any) -> None:
    keys = parse_key_set({"keys": [public_jwk(key, "k")]})
    token = sign(GOOD, key, algorithm, kid="k")
    assert verify(token, keys).claims["sub"] == "alice"
    head, _, signature = token.rpartition(".")
    broken = bytearray(base64.urlsafe_b64decode(signature + "=="))
    broken[5] ^= 1
    assert "not signed" in refusal(f"{head}.{encode(bytes(broken))}", keys=keys)


def test_the_list_of_algorithms_is_fixed() -> None:
    assert set(ALGORITHMS) == {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}  # fmt: skip


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_types_of_logins_are_accepted(typ: str) -> None:
    assert verify(sign(GOOD, typ=typ))


def test_a_token_without_a_kid_is_verified_by_the_only_key_there_could_be() -> None:
    token = sign(GOOD, kid=None)
    assert verify(token)  # of three keys, one is of RSA
    two = parse_key_set({"keys": [public_jwk(RSA, "one"), public_jwk(OTHER_RSA, "two")]})
    assert "`kid`" in refusal(token, keys=two)


def test_a_kid_of_an_unknown_key_asks_for_newer_ones() -> None:
    assert jwt.find_keys(parse_token(sign(GOOD, kid="new")), KEYS) == ()


def test_a_signature_is_tried_with_two_keys_of_a_name_at_most() -> None:
    """Each takes half a millisecond or more, and whoever sends a forged token has it done."""
    others = [public_jwk(ec.generate_private_key(ec.SECP521R1()), "k") for _ in range(3)]
    token, ours = sign(GOOD, EC521, "ES512", kid="k"), public_jwk(EC521, "k")
    mixed = [public_jwk(EC, "k"), others[0], public_jwk(RSA, "k"), ours, *others[1:]]
    assert verify(token, parse_key_set({"keys": mixed}))
    keys = parse_key_set({"keys": [*others, ours]})
    assert len(jwt.find_keys(parse_token(token), keys)) == 2
    assert "not signed" in refusal(token, keys=keys)


def test_keys_without_a_name_are_tried_if_there_is_one_that_fits() -> None:
    keys = parse_key_set({"keys": [public_jwk(EC521), public_jwk(EC)]})
    assert verify(sign(GOOD, EC, "ES256", kid=None), keys)
    assert jwt.find_keys(parse_token(sign(GOOD, EC, "ES256", kid="k")), keys) == ()
    assert "`kid`" in refusal(sign(GOOD, EC, "ES256", kid=None), keys=(*keys, *keys))


def test_neither_a_token_nor_a_key_shows_itself() -> None:
    parsed = parse_token(sign(GOOD))
    assert "alice" not in repr(parsed)
    assert repr(parsed.signature) not in repr(parsed)
    assert "RSAPublicKey" not in repr(KEYS[0])


# --- algorithms and keys ---


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "ES256K", "RS1", "ES521", "dir"])  # fmt: skip
def test_an_algorithm_outside_the_list_is_refused(alg: str) -> None:
    assert "not accepted" in refusal(compact({"alg": alg, "kid": "one"}, GOOD))


@pytest.mark.parametrize("alg", [None, 7, ["RS256"], {"RS256": 1}])
def test_an_algorithm_that_is_no_text_is_refused(alg: object) -> None:
    assert "`alg`" in refusal(compact({"alg": alg}, GOOD))


def test_alg_none_with_an_empty_signature_is_refused() -> None:
    head = encode(b'{"alg":"none"}') + "." + encode(json.dumps(GOOD).encode())
    refusal(f"{head}.")
    refusal(head)


def hmac_signed(secret: bytes, kid: str) -> str:
    head = f"{encode(json.dumps({'alg': 'HS256', 'kid': kid}).encode())}.{encode(json.dumps(GOOD).encode())}"
    return f"{head}.{encode(hmac.new(secret, head.encode(), hashlib.sha256).digest())}"


def test_hmac_with_the_public_key_as_the_secret_is_refused() -> None:
    formats = serialization.PublicFormat
    for encoding, form in [
        (serialization.Encoding.PEM, formats.SubjectPublicKeyInfo),
        (serialization.Encoding.PEM, formats.PKCS1),
        (serialization.Encoding.DER, formats.SubjectPublicKeyInfo),
    ]:
        public = RSA.public_key().public_bytes(encoding, form)
        assert "not accepted" in refusal(hmac_signed(public, "one"))


def test_cve_2026_33322_hmac_with_the_client_secret_is_refused() -> None:
    """MinIO took the client secret for a key whose `kid` is the client id."""
    assert "not accepted" in refusal(hmac_signed(b"the client secret", "authz-client"))


def test_a_key_is_not_used_with_an_algorithm_of_another_type() -> None:
    assert "not for" in refusal(sign(GOOD, RSA, "RS256", kid="two"))
    assert "not for" in refusal(sign(GOOD, EC, "ES256", kid="one"))
    assert "not for" in refusal(sign(GOOD, EC, "ES256", kid="three"))


def test_a_key_is_not_used_with_another_algorithm_than_it_names() -> None:
    keys = parse_key_set({"keys": [public_jwk(RSA, "one", alg="RS512")]})
    assert verify(sign(GOOD, RSA, "RS512"), keys)
    assert "not for" in refusal(sign(GOOD, RSA, "RS256"), keys=keys)


def test_a_curve_is_not_used_with_the_hash_of_another() -> None:
    keys = parse_key_set({"keys": [public_jwk(EC384, "one")]})
    assert "not for" in refusal(compact({"alg": "ES256", "kid": "one"}, GOOD), keys=keys)


def test_psychic_signatures_of_zeros_are_refused() -> None:
    """CVE-2022-21449, in Java: r = s = 0 was a signature of anything."""
    head = f"{encode(json.dumps({'alg': 'ES256', 'kid': 'two'}).encode())}.{encode(json.dumps(GOOD).encode())}"
    for signature in (bytes(64), bytes(63), bytes(1), b"\xff" * 64):
        assert "not signed" in refusal(f"{head}.{encode(signature)}")


@pytest.mark.parametrize("name", ["jwk", "jku", "x5c", "x5u"])
def test_a_key_that_the_token_brings_or_points_at_is_never_used(name: str) -> None:
    value: Any = public_jwk(OTHER_RSA, "one") if name == "jwk" else "https://evil.example/keys"
    assert "not signed" in refusal(sign(GOOD, OTHER_RSA, **{name: value}))
    assert verify(sign(GOOD, RSA, **{name: value}))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"b64": False}])
def test_an_extension_that_must_be_understood_is_refused(header: dict[str, object]) -> None:
    assert "`crit`" in refusal(compact({"alg": "RS256", "kid": "one", **header}, GOOD))


@pytest.mark.parametrize("kid", [7, ["one"], {}, "k" * 257])
def test_a_kid_that_is_no_name_is_refused(kid: object) -> None:
    assert "`kid`" in refusal(compact({"alg": "RS256", "kid": kid}, GOOD))


@pytest.mark.parametrize("typ", ["logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt", "JWE", "", 7, None])  # fmt: skip
def test_tokens_of_another_purpose_are_refused(typ: object) -> None:
    assert "`typ`" in refusal(compact({"alg": "RS256", "kid": "one", "typ": typ}, GOOD))


def test_a_logout_token_without_a_type_is_no_login() -> None:
    events = {"http://schemas.openid.net/event/backchannel-logout": {}}
    assert "no login" in refusal(sign(claims_with(events=events)))


def test_a_token_that_is_bound_to_a_key_is_no_bearer_token() -> None:
    assert "its holder's" in refusal(sign(claims_with(cnf={"jkt": "x"})))


# --- the text ---


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "." * 10_000,
        "é.é.é",
        "a" * TOKEN_LIMIT,
        "Bearer eyJhbGciOiJSUzI1NiJ9.e30.eA",
        "eyJhbGciOiJSUzI1NiJ9.e30.eA\n",
        "eyJhbGciOiJSUzI1NiJ9.e30=.eA",
        "eyJhbGciOiJSUzI1NiJ9.e3+.eA",
        "eyJhbGciOiJSUzI1NiJ9 .e30.eA",
    ],
)
def test_garbage_is_refused(text: str) -> None:
    message = refusal(text)
    assert "eyJ" not in message


def test_a_huge_token_is_refused_unread() -> None:
    assert f"{TOKEN_LIMIT:,}" in refusal(sign(claims_with(more="x" * TOKEN_LIMIT)))


def test_a_signature_has_one_spelling() -> None:
    """The last character of 256 bytes carries 4 bits that mean nothing; another one was another text."""
    token = sign(GOOD)
    spellings = [token[:-1] + last for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" if last != token[-1]]
    assert verify(token)
    for spelling in spellings:
        refusal(spelling)


@pytest.mark.parametrize(
    "claims",
    [
        b'{"iss":"a","iss":"b"}',
        b'{"a":{"sub":1,"sub":1}}',
        b'{"exp":NaN}',
        b'{"exp":Infinity}',
        b'{"exp":1e999}',
        b'{"exp":' + b"9" * 5000 + b"}",
        b'{"sub":"\\ud800"}',
        b'{"\\udc00":1}',
        b'{"sub":"\xff"}',
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b"{}{}",
        b"\xef\xbb\xbf{}",
        b"[" * 9000,
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(claims: bytes) -> None:
    refusal(compact({"alg": "RS256", "kid": "one"}, claims))


def test_a_header_with_two_algorithms_is_refused() -> None:
    assert "`alg`" in refusal(compact(b'{"alg":"RS256","alg":"none"}', GOOD))


def test_nesting_is_bounded() -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' * levels + b"1" + b"}" * levels

    assert parse_object(nested(DEPTH_LIMIT))
    with pytest.raises(ParseError, match="levels"):
        parse_object(nested(DEPTH_LIMIT + 1))


def test_half_a_surrogate_pair_is_found_wherever_it_is_and_a_whole_one_is_text() -> None:
    whole = rb'{"a":"\ud83d\uDE00","b":[{"\ud83d\ude00":"\\ud800"}]}'
    assert parse_object(whole) == {"a": "\U0001f600", "b": [{"\U0001f600": "\\ud800"}]}
    halves = (
        rb'"\uD83D"',
        rb'"\ude00\ud83d"',
        rb'["a",{"b":"\ud83dx"}]',
        rb'{"\udfff":1}',
        rb'"\\\ud800"',
    )
    for half in halves:
        with pytest.raises(ParseError, match="half a surrogate"):
            parse_object(b'{"a":' + half + b"}")


def test_parts_are_counted_before_anything_is_made_of_them() -> None:
    assert parse_object(b'{"a":[1,2]}', parts_limit=4)
    with pytest.raises(ParseError, match="more than 3 parts"):
        parse_object(b'{"a":[1,2]}', parts_limit=3)
    with pytest.raises(ParseError, match="more than 3 parts"):
        parse_object(b"{,:[ no JSON at all", parts_limit=3)


@pytest.mark.parametrize("garbage", ["[]", "[[]]", "{}", "0", "1.5", '{"":0}', '""'])
def test_a_token_of_many_small_parts_is_refused_unread(garbage: str) -> None:
    """Making something of each took milliseconds, in which nobody else is answered."""
    small = ",".join([garbage] * (11_800 // (len(garbage) + 1)))
    claims = b'{"iss":"' + ISSUER.encode() + b'","a":[' + small.encode() + b"]}"
    token = compact({"alg": "RS256", "kid": "one"}, claims)
    assert len(token) <= TOKEN_LIMIT
    assert "parts" in refusal(token)


def test_a_header_of_many_small_parts_is_refused() -> None:
    header = {"alg": "RS256", "kid": "one", "x5c": ["x"] * 200}
    assert "more than 128 parts" in refusal(compact(header, GOOD))
    assert verify(sign(GOOD, x5c=["x" * 1000] * 3))


def test_a_token_full_of_distinguished_names_or_arns_is_read() -> None:
    for name in ("CN=g{},OU=Teams,OU=Groups,DC=corp,DC=example,DC=com", "arn:aws:iam::123456789012:role/r{}"):  # fmt: skip
        names = [name.format(n) for n in range(11_000 // (len(name) + 5))]
        assert verify(sign(claims_with(groups=names))).claims["groups"] == names


# --- issuer and audience ---


@pytest.mark.parametrize("iss", [None, "", 7, [ISSUER], f"{ISSUER}/", ISSUER.upper(), f" {ISSUER}", ISSUER.removeprefix("https://"), "https://id.example.com", "https://evil.example"])  # fmt: skip
def test_another_issuer_is_refused(iss: object) -> None:
    assert "iss" in refusal(sign(claims_with(iss=iss)) if not isinstance(iss, (int, list)) else compact({"alg": "RS256", "kid": "one"}, claims_with(iss=iss)))  # fmt: skip


@pytest.mark.parametrize("aud", [None, "", 7, [], ["other"], "other", {"authz-client": 1}, ["authz-client", 7], ["authz-client", ""], "AUTHZ-CLIENT", "authz-client,other", ["x"] * 64 + ["authz-client"]])  # fmt: skip
def test_another_audience_is_refused(aud: object) -> None:
    assert "aud" in refusal(compact({"alg": "RS256", "kid": "one"}, claims_with(aud=aud)))


@pytest.mark.parametrize("client_id", CLIENTS)
def test_any_of_our_client_ids_may_be_the_audience(client_id: str) -> None:
    token = parse_token(sign(claims_with(aud=["other", client_id])))
    assert jwt.check_origin(token, ISSUER, CLIENTS) == client_id


@pytest.mark.parametrize(
    ("aud", "azp", "is_ours"),
    [
        (["authz-client", "other"], "authz-client", True),
        (["authz-client", "other"], "console", True),
        (["authz-client", "other"], None, True),
        (["authz-client", "other"], "other", False),
        (["authz-client", "other"], "", False),
        (["authz-client", "other"], ["authz-client"], False),
        (["authz-client", "other"], {"authz-client": 1}, False),
        (["other"], "authz-client", False),
        ("other", "authz-client", False),
        ("authz-client", "mobile-app", True),
        (["authz-client"], "mobile-app", True),
    ],
)
def test_an_azp_never_stands_for_an_audience(aud: object, azp: object, is_ours: bool) -> None:
    token = sign(claims_with(aud=aud, azp=azp))
    if is_ours:
        assert verify(token)
    else:
        refusal(token)


# --- times ---


def test_a_token_without_an_end_is_refused() -> None:
    assert "no `exp`" in refusal(sign(claims_with(exp=None)))


def raw(**claims: object) -> str:
    return compact({"alg": "RS256", "kid": "one"}, claims_with(**claims))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", [str(NOW + 600), "", [NOW], {}, True, False, -1, 10**15, 10**300, 1e300, 253_402_300_800])  # fmt: skip
def test_a_time_that_is_none_is_refused(name: str, value: object) -> None:
    assert f"`{name}`" in refusal(raw(**{name: value}))


def test_a_time_that_is_null_is_refused() -> None:
    assert "`exp`" in refusal(compact({"alg": "RS256", "kid": "one"}, GOOD | {"exp": None}))


def test_a_time_may_have_a_fraction() -> None:
    assert jwt.check_times(parse_token(raw(exp=NOW + 0.5)), NOW) == NOW + 0.5


def test_an_expired_token_says_so_and_clocks_may_differ_a_little() -> None:
    token = parse_token(raw(exp=NOW))
    assert jwt.check_times(token, NOW + LEEWAY - 1) == NOW
    for now in (NOW + LEEWAY, NOW + 10**6):
        with pytest.raises(UnauthenticatedError) as error:
            jwt.check_times(token, now)
        assert error.value.code == "ExpiredToken"
    assert LEEWAY <= 60


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_of_the_future_is_refused(name: str) -> None:
    assert jwt.check_times(parse_token(raw(**{name: NOW + LEEWAY})), NOW)
    assert "not valid yet" in refusal(raw(**{name: NOW + LEEWAY + 1}))


# --- sets of keys ---


def kids(*keys: object) -> list[str | None]:
    return [key.kid for key in parse_key_set({"keys": list(keys)})]


def test_keys_that_no_token_may_be_signed_with_are_passed_over() -> None:
    good = public_jwk(RSA, "good")
    assert kids(
        good,
        {"kty": "oct", "k": encode(b"secret"), "kid": "oct"},
        {"kty": "oct", "k": encode(b"secret"), "kid": "oct", "alg": "RS256"},
        private_jwk(OTHER_RSA, "private"),
        private_jwk(EC, "private"),
        private_jwk(ED, "private"),
        public_jwk(RSA, "encryption", use="enc"),
        public_jwk(RSA, "encryption", key_ops=["wrapKey"]),
        public_jwk(RSA, "encryption", alg="RSA-OAEP"),
        public_jwk(RSA, "odd", alg="HS256"),
        public_jwk(RSA, "odd", alg="none"),
        public_jwk(RSA, "odd", key_ops="verify"),
        public_jwk(EC, "curve", crv="P-384"),
        public_jwk(EC, "curve", crv="secp256k1"),
        public_jwk(EC, "off the curve", x=encode(b"\1" * 32)),
        public_jwk(RSA, "confused", kty="EC"),
        {"kty": "RSA", "kid": "bare"},
        {"kty": "RSA", "kid": "numbers", "n": 7, "e": 3},
        {"kty": "RSA", "kid": "zero", "n": "AA", "e": "AQAB"},
        {"kty": ["RSA"]},
        {},
        "RSA",
        None,
        public_jwk(RSA) | {"kid": 7},
        public_jwk(RSA, "k" * 257),
    ) == ["good"]  # fmt: skip


def test_weak_and_costly_keys_of_rsa_are_passed_over() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    modulus = RSA.public_key().public_numbers().n
    huge = encode((modulus**5).to_bytes(1280, "big"))
    exponent = encode((2**64 + 1).to_bytes(9, "big"))
    assert kids(public_jwk(weak, "weak")) == []
    assert kids(public_jwk(RSA, "huge", n=huge)) == []
    assert kids(public_jwk(RSA, "dear", e=exponent)) == []
    assert kids(public_jwk(RSA, "one", e="AQ")) == []


def test_keys_of_unknown_curves_are_passed_over() -> None:
    koblitz = ec.generate_private_key(ec.SECP256K1())
    assert kids(public_jwk(koblitz, "k"), public_jwk(EC, "good")) == ["good"]


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": [{}] * (KEYS_LIMIT + 1)}])  # fmt: skip
def test_what_is_not_a_set_of_keys_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ParseError):
        parse_key_set(document)


def test_an_empty_set_verifies_nothing() -> None:
    assert parse_key_set({"keys": []}) == ()
    assert "not signed" in refusal(sign(GOOD), keys=())


# --- whatever comes ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(["alg", "kid", "typ", "crit", "iss", "aud", "azp", "exp", "nbf", "iat", "sub", "kty", "crv", "n", "e", "x", "y", "use", "key_ops"])  # fmt: skip
OBJECTS = st.dictionaries(MEMBERS, JSON | st.sampled_from(["RSA", "EC", "OKP", "RS256", "P-256", "Ed25519", "sig", "AQAB"]))  # fmt: skip


@given(st.text() | st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*"))
def test_any_text_is_a_token_or_a_refusal(text: str) -> None:
    with suppress(UnauthenticatedError):
        parse_token(text)


@given(OBJECTS, OBJECTS)
def test_any_header_and_claims_are_refused_without_a_signature(
    header: dict[str, Any], claims: dict[str, Any]
) -> None:
    token = compact({"alg": "RS256", "kid": "one"} | header, GOOD | claims)
    with pytest.raises(UnauthenticatedError):
        verify(token)


@given(st.lists(OBJECTS | JSON, max_size=4))
def test_any_list_is_a_set_of_usable_keys(keys: list[Any]) -> None:
    for key in parse_key_set({"keys": keys}):
        assert key.algorithms


@given(st.dictionaries(st.text(), JSON) | OBJECTS, st.text(), st.text())
def test_any_claims_are_an_identity_or_a_refusal(
    claims: dict[str, Any], groups: str, policies: str
) -> None:
    names = ClaimNames(groups=groups, policies=policies)
    with suppress(UnauthenticatedError):
        read_claims(claims, names, issuer=ISSUER, audience="authz-client", expires_at=NOW)
