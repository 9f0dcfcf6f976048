"""The files of a first start: private, made once, and refused when they are not what they should be."""

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from authz.errors import AuthzError, ConflictError, InvalidError, NotFoundError, ParseError
from authz.identity.credential import Secret
from authz.store import local_files


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "root-credentials.json"


def test_a_root_credential_is_made_once_and_for_its_owner_alone(path):
    made = local_files.root_credential(path, "", None)
    assert len(made.access_key_id) == 20
    assert len(made.secret.reveal()) == 40
    assert mode_of(path) == 0o600
    assert mode_of(path.parent) == 0o700
    assert list(path.parent.iterdir()) == [path]
    again = local_files.root_credential(path, "", None)
    assert again == made
    assert "reveal" not in repr(made)
    assert made.secret.reveal() not in repr(made)


def test_the_files_are_private_whatever_the_umask(path):
    before = os.umask(0)
    try:
        local_files.root_credential(path, "", None)
        local_files.key_ring(path.with_name("master-keys.json"))
    finally:
        os.umask(before)
    assert {mode_of(each) for each in path.parent.iterdir()} == {0o600}


def test_two_first_starts_make_two_credentials(tmp_path):
    made = {
        local_files.root_credential(tmp_path / f"{n}.json", "", None).secret.reveal()
        for n in range(5)
    }
    assert len(made) == 5


def test_a_configured_credential_touches_no_file(path):
    made = local_files.root_credential(path, "MYROOT", Secret("my-secret-my-secret"))
    assert made.access_key_id == "MYROOT"
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("access_key_id", "secret"),
    [("a b", "long-enough-secret"), ("MYROOT", "short"), ("MYROOT", "\n" * 20)],
)
def test_an_unusable_configured_credential_is_refused_without_its_secret(
    path, access_key_id, secret
):
    with pytest.raises(InvalidError) as failed:
        local_files.root_credential(path, access_key_id, Secret(secret))
    assert secret not in failed.value.message


@pytest.mark.parametrize(
    "make", [lambda p: local_files.root_credential(p, "", None), local_files.key_ring]
)
def test_all_who_start_first_at_once_get_the_same(path, make):
    barrier = Barrier(8)

    def start(_):
        barrier.wait()
        return make(path)

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(start, range(8)))
    sealed = path.read_text()
    assert list(path.parent.iterdir()) == [path]
    if isinstance(made[0], local_files.RootCredential):
        assert {one.secret.reveal() for one in made} == {json.loads(sealed)["secretKey"]}
    else:
        assert {one.render() for one in made} == {sealed}


@pytest.mark.parametrize("mode", [0o604, 0o660, 0o644, 0o601, 0o620, 0o610])
def test_a_file_that_others_can_reach_is_refused(path, mode):
    local_files.root_credential(path, "", None)
    path.chmod(mode)
    for read in (
        lambda: local_files.root_credential(path, "", None),
        lambda: local_files.key_ring(path),
    ):
        with pytest.raises(InvalidError, match="chmod 600"):
            read()


def test_a_file_that_its_group_may_read_is_taken_as_orchestrators_mount_it(path):
    made = local_files.root_credential(path, "", None)
    path.chmod(0o440)
    assert local_files.root_credential(path, "", None) == made


UNUSABLE = [
    b"", b"{", b"null", b"[]", b'"text"', b"{}", b'{"accessKey": "ROOTKEY"}', b"\xff\xfe", b"[" * 100_000,
    b'{"accessKey": "a b", "secretKey": "long-enough-secret"}', b'{"accessKey": "ROOTKEY", "secretKey": "x"}',
    b'{"accessKey": null, "secretKey": null}', b'{"accessKey": [], "secretKey": {}}',
]  # fmt: skip


@pytest.mark.parametrize("content", UNUSABLE)
def test_unusable_contents_are_refused_and_left_alone(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InvalidError):
        local_files.root_credential(path, "", None)
    with pytest.raises((InvalidError, ParseError)):
        local_files.key_ring(path)
    assert path.read_bytes() == content


def test_a_key_ring_opens_what_it_sealed_after_a_restart(path):
    sealed = local_files.key_ring(path).seal(b"secret", b"KEY", bytes(12))
    assert local_files.key_ring(path).unseal(sealed, b"KEY") == b"secret"
    assert mode_of(path) == 0o600


def test_a_folder_in_the_files_place_is_said_in_one_sentence(path):
    path.mkdir(parents=True, mode=0o700)
    with pytest.raises(InvalidError) as failed:
        local_files.root_credential(path, "", None)
    assert failed.value.message == f"{path} cannot be read or made: is a directory"


def test_a_file_in_the_folders_place_is_said_in_one_sentence(tmp_path):
    (tmp_path / "data").write_text("not a folder")
    with pytest.raises(AuthzError) as failed:
        local_files.key_ring(tmp_path / "data" / "master-keys.json")
    assert "Error" not in failed.value.message


def test_a_ring_is_replaced_whole_with_the_mode_it_had(path):
    ring = local_files.key_ring(path)
    path.chmod(0o640)
    new = ring.with_primary(*local_files.make_key())
    local_files.replace_key_ring(path, ring, new)
    assert local_files.read_key_ring(path).render() == new.render()
    assert mode_of(path) == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_a_ring_that_changed_meanwhile_is_not_replaced(path):
    ring = local_files.key_ring(path)
    local_files.replace_key_ring(path, ring, other := ring.with_primary(*local_files.make_key()))
    with pytest.raises(ConflictError):
        local_files.replace_key_ring(path, ring, ring.with_primary(*local_files.make_key()))
    assert local_files.key_ring(path).render() == other.render()


def test_of_a_link_what_it_leads_to_is_replaced(path, tmp_path):
    ring = local_files.key_ring(path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    new = ring.with_standby(*local_files.make_key())
    local_files.replace_key_ring(link, ring, new)
    assert link.is_symlink()
    assert local_files.key_ring(path).render() == new.render()


def test_no_ring_is_made_where_one_is_to_be_changed(path):
    with pytest.raises(NotFoundError):
        local_files.read_key_ring(path)
    assert not path.exists()
