"""The providers that are live: what follows what is stored, and which one a proof goes to."""

import json
from dataclasses import replace

import pytest

from authz.access.ports import StoredProvider
from authz.errors import InvalidError, NotFoundError, UnauthenticatedError, UnavailableError
from authz.federation.ldap import LdapProvider
from authz.federation.oidc import OidcProvider
from authz.federation.registry import Registry
from authz.identity.credential import Secret
from authz.identity.external import ProviderKind
from authz.identity.records import Provider, Status
from authz.identity.sealing import KEY_SIZE, NONCE_SIZE, KeyRing
from authz.telemetry.metrics import Metrics
from tests.servers.client_certificates import Authority
from tests.servers.issuer import CLIENT_ID, OTHER_RSA, Issuer, public_jwk, sign
from tests.servers.ports import LOOPBACK, free_port

KINDS = ProviderKind
LDAP = {
    "url": f"ldap://{LOOPBACK}:1", "insecure_plaintext": True, "bind_dn": "cn=lookup,dc=x",
    "user_bases": ["ou=people,dc=x"], "user_filter": "(uid=%s)", "timeout": 1,
}  # fmt: skip


class Stored:
    """What is stored, and the registry that follows it."""

    def __init__(self, registry, ring) -> None:
        self.registry = registry
        self.ring = ring
        self.held = {}

    def put(self, name, kind, config, *, secret="", status=Status.ENABLED, **changes):
        provider = Provider(
            id=f"id-{name}", name=name, kind=kind, status=status, created_at=0.0, updated_at=0.0,
            config=config if isinstance(config, str) else json.dumps(config),
            has_secret=bool(secret),
        )  # fmt: skip
        sealed = None
        if secret:
            sealed = self.ring.seal(secret.encode(), provider.id.encode(), bytes(NONCE_SIZE))
        self.held[provider.id] = replace(
            StoredProvider(provider=provider, sealed_secret=sealed), **changes
        )
        self.registry.follow(self.held)
        return provider

    def drop(self, name):
        del self.held[f"id-{name}"]
        self.registry.follow(self.held)


@pytest.fixture
async def stored(clock):
    ring = KeyRing({"k1": bytes(KEY_SIZE)})
    registry = Registry(ring, clock, Metrics())
    yield Stored(registry, ring)
    await registry.close()


def oidc(url, **members):
    return {"issuer": url, "client_ids": [CLIENT_ID], "insecure_http": True, **members}


async def code_of(awaited) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        await awaited
    return caught.value.code


async def test_a_token_goes_to_the_provider_of_its_issuer_and_audience(stored, issuer):
    with Issuer() as other:
        other.publish(public_jwk(OTHER_RSA, "one"))
        stored.put("one", KINDS.OIDC, oidc(issuer.url))
        stored.put("two", KINDS.OIDC, oidc(other.url))
        stored.put("app", KINDS.OIDC, oidc(issuer.url, client_ids=["app"]))
        take = stored.registry.take_token
        assert (await take(issuer.token())).provider_name == "one"
        assert (await take(sign(other.claims(), OTHER_RSA))).provider_name == "two"
        assert (await take(issuer.token(aud="app"))).provider_name == "app"
        # Both have a key `one`; each is its own provider's only.
        for forged in (sign(issuer.claims(), OTHER_RSA), other.token()):
            assert await code_of(take(forged)) == "InvalidIdentityToken"
        for stranger in (issuer.token(iss="https://x.example"), issuer.token(aud="x"), "a.b.c", ""):
            assert await code_of(take(stranger)) == "InvalidIdentityToken"
        assert await code_of(take(issuer.token(), provider="two")) == "InvalidIdentityToken"
        assert await code_of(take(issuer.token(), provider="ONE")) == "InvalidIdentityToken"


async def test_a_token_for_several_is_taken_by_none_until_one_is_named(stored, issuer):
    stored.put("one", KINDS.OIDC, oidc(issuer.url))
    stored.put("app", KINDS.OIDC, oidc(issuer.url, client_ids=["app"]))
    both = issuer.token(aud=[CLIENT_ID, "app"], azp=CLIENT_ID)
    with pytest.raises(InvalidError, match="name the one"):
        await stored.registry.take_token(both)
    assert (await stored.registry.take_token(both, provider="one")).provider_name == "one"


async def test_a_disabled_or_deleted_provider_takes_nothing(stored, issuer):
    stored.put("one", KINDS.OIDC, oidc(issuer.url))
    await stored.registry.take_token(issuer.token())
    stored.put("one", KINDS.OIDC, oidc(issuer.url), status=Status.DISABLED)
    assert await code_of(stored.registry.take_token(issuer.token())) == "InvalidIdentityToken"
    stored.put("one", KINDS.OIDC, oidc(issuer.url))
    await stored.registry.take_token(issuer.token())
    stored.drop("one")
    assert await code_of(stored.registry.take_token(issuer.token())) == "InvalidIdentityToken"


async def test_what_is_live_stays_so_until_it_is_asked_otherwise(stored, issuer):
    def live():
        return stored.registry._held["id-one"].live

    stored.put("one", KINDS.OIDC, oidc(issuer.url), secret="s")
    first = live()
    await stored.registry.take_token(issuer.token())
    stored.put("two", KINDS.LDAP, LDAP, secret="s")
    held = stored.held["id-one"]
    stored.held["id-one"] = replace(
        held, provider=replace(held.provider, sessions_void_before=5.0, description="x")
    )
    stored.registry.follow(stored.held)
    assert live() is first
    assert issuer.requests["/keys"] == 1
    stored.put("one", KINDS.OIDC, oidc(issuer.url, groups_claim="groups"), secret="s")
    second = live()
    assert second is not first
    stored.put("one", KINDS.OIDC, oidc(issuer.url, groups_claim="groups"), secret="t")
    assert live() is not second


@pytest.mark.parametrize(("kind", "config", "secret"), [
    (KINDS.OIDC, "{", ""),
    (KINDS.OIDC, {"issuer": "https://a.example", "client_ids": []}, ""),
    (KINDS.OIDC, {"issuer": "https://a.example", "client_ids": ["a"], "unknown": 1}, ""),
    (KINDS.LDAP, LDAP, ""),
    (KINDS.LDAP, {**LDAP, "ca_file": "/nowhere/ca.pem"}, ""),
    (KINDS.WEBHOOK, {"url": "ftp://x"}, ""),
    (KINDS.CERTIFICATE, {"ca_pem": "x"}, ""),
])  # fmt: skip
async def test_one_that_cannot_be_used_is_told_and_keeps_nobody_else_out(
    stored, issuer, kind, config, secret, capsys
):
    bad = stored.put("bad", kind, config, secret=secret)
    stored.put("one", KINDS.OIDC, oidc(issuer.url))
    assert "provider_unusable" in capsys.readouterr().out
    assert (await stored.registry.take_token(issuer.token())).provider_name == "one"
    with pytest.raises(UnavailableError, match="see the log"):
        stored.registry.canonical_user(bad, "ann")


async def test_a_secret_that_cannot_be_unsealed_makes_one_unusable(stored, capsys):
    other = KeyRing({"k2": b"x" * KEY_SIZE})
    sealed = other.seal(b"s3cret", b"id-lab", bytes(NONCE_SIZE))
    stored.put("lab", KINDS.LDAP, LDAP, secret="s", sealed_secret=sealed)
    assert "provider_unusable" in capsys.readouterr().out
    with pytest.raises(UnavailableError, match="see the log"):
        await stored.registry.take_password("ann", Secret("x"))
    # Nor does one provider's secret open as another's.
    sealed = stored.ring.seal(b"s3cret", b"id-other", bytes(NONCE_SIZE))
    stored.put("lab", KINDS.LDAP, LDAP, secret="s", sealed_secret=sealed)
    assert "provider_unusable" in capsys.readouterr().out


async def test_a_missing_ca_file_is_found_out_when_the_provider_is_asked(stored, issuer):
    stored.put("one", KINDS.OIDC, oidc(issuer.url, ca_file="/nowhere/ca.pem"))
    with Issuer() as other:
        stored.put("two", KINDS.OIDC, oidc(other.url))
        await stored.registry.take_token(other.token())
        with pytest.raises(UnavailableError, match="ca file"):
            await stored.registry.take_token(issuer.token())


async def test_a_password_goes_to_the_one_directory_that_is_meant(stored):
    async def take(**named):
        await stored.registry.take_password("ann", Secret("p"), **named)

    with pytest.raises(NotFoundError):
        await take()
    stored.put("lab", KINDS.LDAP, LDAP, secret="s")
    with pytest.raises(UnavailableError):
        await take()  # nobody listens there
    stored.put("lab2", KINDS.LDAP, {**LDAP, "url": f"ldap://{LOOPBACK}:{free_port()}"}, secret="s")
    with pytest.raises(InvalidError) as caught:
        await take()
    assert caught.value.field == "provider"
    with pytest.raises(UnavailableError):
        await take(provider="lab2")
    for unknown in ("lab3", "LAB", "lab "):
        with pytest.raises(NotFoundError):
            await take(provider=unknown)


async def test_a_disabled_directory_is_meant_as_long_as_it_is_stored(stored):
    """Otherwise disabling one of two would send the passwords meant for it to the other."""
    stored.put("lab", KINDS.LDAP, LDAP, secret="s")
    stored.put("lab2", KINDS.LDAP, LDAP, secret="s", status=Status.DISABLED)
    with pytest.raises(InvalidError):
        await stored.registry.take_password("ann", Secret("p"))
    refused = stored.registry.take_password("ann", Secret("p"), provider="lab2")
    assert await code_of(refused) == "AccessDenied"


async def test_a_webhooks_token_goes_to_the_one_webhook_that_is_meant(stored, issuer):
    for name in ("a", "b"):
        issuer.serve(f"/{name}?token=t", {"user": name, "maxValiditySeconds": 900})
        stored.put(name, KINDS.WEBHOOK, {"url": f"{issuer.url}/{name}", "insecure_http": True})
    with pytest.raises(InvalidError):
        await stored.registry.take_custom_token("t")
    assert not issuer.requests  # tried out on none of them
    login = await stored.registry.take_custom_token("t", provider="b")
    assert (login.provider_name, login.identity.name) == ("b", "b")
    with pytest.raises(NotFoundError):
        await stored.registry.take_custom_token("t", provider="c")


async def test_a_certificate_goes_to_whose_authority_made_it(stored, clock):
    del clock
    one, two = Authority("one", key_number=1), Authority("two", key_number=2)
    take = stored.registry.take_certificate
    with pytest.raises(UnauthenticatedError):
        take(one.issue("ann").der)
    stored.put("a", KINDS.CERTIFICATE, {"ca_pem": one.own.pem, "allowed_names": ["a*"]})
    stored.put("b", KINDS.CERTIFICATE, {"ca_pem": one.own.pem})
    stored.put("c", KINDS.CERTIFICATE, {"ca_pem": two.own.pem})
    assert take(one.issue("ann").der).provider_name == "a"
    assert take(one.issue("bob").der).provider_name == "b"
    assert take(two.issue("ann").der).provider_name == "c"
    assert take(one.issue("ann").der, provider="b").provider_name == "b"
    for named in ("c", "a", "none"):
        with pytest.raises(UnauthenticatedError):
            take(one.issue("bob").der, provider=named)
    for garbage in (b"", b"x", bytes(10_000)):
        with pytest.raises(UnauthenticatedError):
            take(garbage)


async def test_names_are_spelt_by_the_providers_that_know_them(stored, issuer):
    lab = stored.put("lab", KINDS.LDAP, LDAP, secret="s")
    one = stored.put("one", KINDS.OIDC, oidc(issuer.url))
    spelt = stored.registry.canonical_user(lab, "UID=Ann , OU=People,DC=X")
    assert spelt == stored.registry.canonical_user(lab, "uid=ann,ou=people,dc=x")
    assert stored.registry.canonical_user(one, "Ann X") == "Ann X"
    for bad in ("", "a\nb", "x" * 2_000):
        with pytest.raises(InvalidError):
            stored.registry.canonical_group(one, bad)
    with pytest.raises(InvalidError):
        stored.registry.canonical_user(lab, "uid=ann,ou=elsewhere,dc=x")


async def test_closing_ends_everything_in_the_background(stored, issuer):
    stored.put("one", KINDS.OIDC, oidc(issuer.url))
    stored.put("lab", KINDS.LDAP, LDAP, secret="s")
    kinds = {type(held.live) for held in stored.registry._held.values()}
    assert kinds == {OidcProvider, LdapProvider}
    await stored.registry.close()
    assert await code_of(stored.registry.take_token(issuer.token())) == "InvalidIdentityToken"


async def test_nothing_of_a_secret_is_in_a_repr(stored):
    stored.put("lab", KINDS.LDAP, LDAP, secret="s3cret-of-the-directory")
    assert "s3cret-of-the-directory" not in repr(stored.registry._held)
