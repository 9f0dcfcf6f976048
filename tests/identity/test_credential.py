import re

import pytest

from authz.errors import InvalidError
from authz.identity.credential import (
    ACCESS_KEY_ID_BYTES,
    RECORD_ID_BYTES,
    SECRET_BYTES,
    Secret,
    check_access_key_id,
    check_external_name,
    check_known_name,
    check_name,
    check_provider_name,
    check_secret,
    is_access_key_id,
    make_access_key_id,
    make_record_id,
    make_secret,
)


@pytest.mark.parametrize("byte", [0, 31, 32, 255])
def test_generated_ids_and_secrets_have_the_shape_that_tools_expect(byte: int) -> None:
    random = bytes([byte])
    assert re.fullmatch("AKIA[A-Z2-7]{16}", make_access_key_id(random * ACCESS_KEY_ID_BYTES))
    assert re.fullmatch("[A-Za-z0-9+]{40}", make_secret(random * SECRET_BYTES).reveal())
    assert re.fullmatch("AIDA[A-Z2-7]{17}", make_record_id("AIDA", random * RECORD_ID_BYTES))


def test_different_random_bytes_make_different_credentials() -> None:
    ids = {make_access_key_id(bytes([n]) * ACCESS_KEY_ID_BYTES) for n in range(32)}
    secrets = {make_secret(bytes([n]) * SECRET_BYTES).reveal() for n in range(256)}
    assert (len(ids), len(secrets)) == (32, 256)


@pytest.mark.parametrize("make", [make_access_key_id, make_secret])
def test_too_few_random_bytes_make_no_credential(make) -> None:
    with pytest.raises(ValueError, match="random bytes"):
        make(b"short")


def test_generated_credentials_are_acceptable_ones() -> None:
    check_access_key_id(make_access_key_id(bytes(ACCESS_KEY_ID_BYTES)))
    check_secret(make_secret(bytes(SECRET_BYTES)))


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hunter2hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s}"
    assert secret.reveal() == "hunter2hunter2"


def test_secrets_are_equal_when_their_texts_are_and_are_no_keys() -> None:
    assert Secret("a\u00e9") == Secret("a\u00e9")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    with pytest.raises(TypeError):
        hash(Secret("a"))


@pytest.mark.parametrize(
    "name",
    ["a", "x" * 128, "Alice Smith", "a/b", "*", "\u00c4rger", "a@b.c+d_-", "\U0001f600", "root"],
)
def test_these_are_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "x" * 129, "a=b", "a,b", " a", "a ", "\u00a0a", "a\0b", "a\nb", "a\x7fb", "a\u200bb", "a\u202eb", "a\ud800b", "a\u2028b", "a\U000e0080b"],
)  # fmt: skip
def test_these_are_no_names(name: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check_name(name, field="user.name")
    assert refused.value.field == "user.name"
    assert refused.value.message.isprintable()


@pytest.mark.parametrize("name", ["a", "0", "keycloak", "ad.corp-1_x", "x" * 63])
def test_these_are_names_of_providers(name: str) -> None:
    check_provider_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "A", "-a", ".a", "_a", "a=b", "a b", "a\n", "\na", "a\0", "x" * 64, "\u0430", "\u212a", "\u0661",
     "a/b", "a*"],
)  # fmt: skip
def test_these_are_no_names_of_providers(name: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check_provider_name(name, field="provider")
    assert refused.value.field == "provider"
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "name",
    [
        "a",
        " ",
        "cn=a,dc=b",
        "=",
        "x" * 1024,
        "\u00e9" * 512,
        "\U0001f600" * 256,
        "a/b",
        "*",
        "${x}",
        "'\"\\",
    ],
)
def test_these_are_names_that_a_provider_may_give(name: str) -> None:
    check_external_name(name)
    check_known_name(f"corp={name}")


@pytest.mark.parametrize(
    "name",
    ["", "x" * 1025, "\u00e9" * 513, "\U0001f600" * 257, "a\0b", "a\nb", "a\x7fb", "a\u200bb", "a\u202eb", "a\ud800b", "a\u2028b"],
)  # fmt: skip
def test_these_are_no_names_that_a_provider_may_give(name: str) -> None:
    for check, text in ((check_external_name, name), (check_known_name, f"corp={name}")):
        with pytest.raises(InvalidError) as refused:
            check(text, field="user")
        assert refused.value.field == "user"
        assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    "name", ["=", "=a", "A=a", "a b=c", "a,b=c", "\u212a=a", "\u00e9=a", " a=b"]
)
def test_nobody_known_has_a_provider_that_cannot_be(name: str) -> None:
    with pytest.raises(InvalidError):
        check_known_name(name)


@pytest.mark.parametrize(
    "key_id", ["abc", "x" * 128, "AKIAIOSFODNN7EXAMPLE", "minio-user@example.com", "a:b"]
)
def test_these_are_access_key_ids(key_id: str) -> None:
    check_access_key_id(key_id)
    assert is_access_key_id(key_id)


@pytest.mark.parametrize(
    "key_id",
    ["", "ab", "x" * 129, "a b c", "a/bc", "a=bc", "a,bc", "abc\n", "abc\0", "\u00e9t\u00e9"],
)
def test_these_are_no_access_key_ids(key_id: str) -> None:
    assert not is_access_key_id(key_id)
    with pytest.raises(InvalidError) as refused:
        check_access_key_id(key_id)
    assert refused.value.field == "access_key_id"


@pytest.mark.parametrize("text", ["", "1234567", "x" * 129, "12345678\n", "1234\x005678"])
def test_a_refused_secret_is_not_repeated(text: str) -> None:
    with pytest.raises(InvalidError) as refused:
        check_secret(Secret(text))
    assert not text or text not in refused.value.message


@pytest.mark.parametrize(
    "text", ["12345678", "x" * 128, "with space and / + =", "\u00fcml\u00e4ut1234"]
)
def test_these_are_secrets(text: str) -> None:
    check_secret(Secret(text))
