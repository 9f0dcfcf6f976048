import asyncio
from dataclasses import replace

import pytest

from authz.control import session_trail
from authz.control.limits import REVOCATION_REACH
from authz.control.providers import ProviderChange
from authz.control.session_trail import Origin, SessionState, SessionTrail
from authz.control.sessions import AssumedRole, Parent
from authz.errors import InvalidError, NotFoundError, UnavailableError
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Status
from authz.store.sql.source import SqlSource
from tests.access.world import until
from tests.store.fixtures import ROOT_ID, TRUST, Control

ORIGIN = Origin("AssumeRole", "192.0.2.7")
HOUR = 3600.0


def parent(principal_id: str, **more: object) -> Parent:
    base = Parent(principal_id=principal_id, expires_at=None, is_narrowed=False, is_session=False)
    return replace(base, **more)


async def issue(control: Control, principal_id: str, **more: object) -> str:
    issued = await control.sessions.issue(parent(principal_id, **more), name="n1", origin=ORIGIN)
    return issued.session.access_key_id


async def assume(control: Control, role: str, caller: Parent) -> str:
    role_id = (await control.roles.get(role)).id
    assumed = AssumedRole(id=role_id, max_session_duration=HOUR)
    issued = await control.sessions.assume(assumed, caller, name="s1", origin=ORIGIN)
    return issued.session.access_key_id


async def listed(control: Control, **wanted: object):
    """Return the sessions of a listing by id, after what is queued is written."""
    await control.trail.flush()
    return {one.entry.access_key_id: one for one in (await control.trail.list(**wanted)).items}


async def states(control: Control) -> set[SessionState]:
    return {one.state for one in (await listed(control)).values()}


async def test_a_session_is_listed_with_all_that_is_known_of_it(control: Control) -> None:
    alice = (await control.users.create("alice")).value
    key = await issue(control, alice.id)
    (one,) = (await listed(control)).values()
    entry = one.entry
    assert (entry.access_key_id, entry.parent_id, entry.issuer_id) == (key, alice.id, alice.id)
    assert (entry.action, entry.source_ip, entry.name) == ("AssumeRole", "192.0.2.7", "n1")
    assert (entry.issued_at, entry.expires_at - entry.issued_at) == (control.clock.now(), HOUR)
    assert (one.user_name, one.role_name, one.issuer_name, one.is_of_root) == (
        "alice",
        "",
        "",
        False,
    )
    assert one.state is SessionState.ACTIVE
    assert control.counted == {"written": 1}


async def test_issuing_writes_nothing_and_the_trail_makes_no_revision(
    control: Control, database
) -> None:
    alice = (await control.users.create("alice")).value
    before = await SqlSource(database).revision()
    await issue(control, alice.id)
    assert (await control.trail.list()).items == ()
    assert len(await listed(control)) == 1
    assert await SqlSource(database).revision() == before


async def test_sessions_are_found_by_user_role_and_provider(control: Control) -> None:
    alice = (await control.users.create("alice")).value
    bob = (await control.users.create("bob")).value
    await control.roles.create("ops", TRUST)
    corp = (await control.providers.create("corp", ProviderKind.LDAP, "{}")).value
    identity = ExternalIdentity(name="Carol")
    carol = (await control.logins.adopt(corp.id, identity, has_policies=True)).value
    own = await issue(control, alice.id)
    other = await issue(control, bob.id)
    of_root = await issue(control, ROOT_ID)
    assumed = await assume(control, "ops", parent(alice.id))
    vouched = await issue(control, carol.id, provider=corp.id)
    direct = await assume(control, "ops", parent(corp.id, provider=corp.id))
    everybody = await listed(control)
    assert set(everybody) == {own, other, of_root, assumed, vouched, direct}
    assert set(await listed(control, user_name="ALICE")) == {own, assumed}
    assert set(await listed(control, role_name="ops")) == {assumed, direct}
    assert set(await listed(control, provider_name="corp")) == {vouched, direct}
    assert everybody[of_root].is_of_root
    assert (everybody[assumed].role_name, everybody[assumed].issuer_name) == ("ops", "alice")
    assert (everybody[vouched].user_name, everybody[vouched].provider_name) == (
        "corp=Carol",
        "corp",
    )
    assert {one.state for one in everybody.values()} == {SessionState.ACTIVE}
    for wanted in ({"user_name": "nobody"}, {"role_name": "none"}, {"provider_name": "none"}):
        with pytest.raises(NotFoundError):
            await control.trail.list(**wanted)


async def test_pages_are_the_newest_first_and_shift_nothing(control: Control) -> None:
    alice = (await control.users.create("alice")).value
    issued = []
    for n in range(7):
        issued.append(await issue(control, alice.id))
        control.clock.advance(n % 2)  # some at the same moment
    await control.trail.flush()
    seen, token = [], ""
    while True:
        page = await control.trail.list(page_size=2, page_token=token)
        seen += page.items
        token = page.next_page_token
        if not token:
            break
    ids = [one.entry.access_key_id for one in seen]
    assert sorted(ids) == sorted(issued)
    places = [(one.entry.issued_at, one.entry.access_key_id) for one in seen]
    assert places == sorted(places, reverse=True)
    for bad in ("!", session_trail.place_of(seen[0].entry), "MXg"):
        with pytest.raises(InvalidError):
            await control.trail.list(page_token=bad)


async def test_the_state_is_what_the_records_say_now(control: Control) -> None:
    alice = (await control.users.create("alice")).value
    key = await issue(control, alice.id)
    assert await states(control) == {SessionState.ACTIVE}
    await control.sessions.revoke(key)
    assert await states(control) == {SessionState.REVOKED}
    bob = (await control.users.create("bob")).value
    await issue(control, bob.id)
    assert await states(control) == {SessionState.REVOKED, SessionState.ACTIVE}
    await control.users.update("bob", status=Status.DISABLED)
    await control.users.update("bob", status=Status.ENABLED)
    assert await states(control) == {SessionState.REVOKED}  # over for good


async def test_sessions_of_revoked_and_deleted_parents_are_over(control: Control) -> None:
    for name in ("alice", "bob"):
        await issue(control, (await control.users.create(name)).value.id)
    await control.roles.create("ops", TRUST)
    await control.roles.create("gone", TRUST)
    for role in ("ops", "gone"):
        await assume(control, role, parent("AIDASTRANGER"))
    await control.sessions.revoke_user("alice")
    await control.users.delete("bob")
    await control.sessions.revoke_role("ops")
    await control.roles.delete("gone")
    assert await states(control) == {SessionState.REVOKED}
    control.clock.advance(REVOCATION_REACH)
    await issue(control, (await control.users.get("alice")).id)
    assert await states(control) == {SessionState.REVOKED, SessionState.ACTIVE}


async def test_sessions_end_or_pause_with_their_provider(control: Control) -> None:
    corp = (await control.providers.create("corp", ProviderKind.LDAP, "{}")).value
    identity = ExternalIdentity(name="carol")
    carol = (await control.logins.adopt(corp.id, identity, has_policies=True)).value
    await control.roles.create("ops", TRUST)
    await issue(control, carol.id, provider=corp.id)
    await issue(control, carol.id)  # by an access key: no provider in the token
    await assume(control, "ops", parent(corp.id, provider=corp.id))
    await control.providers.update("corp", ProviderChange(status=Status.DISABLED))
    assert await states(control) == {SessionState.SUSPENDED}
    await control.providers.update("corp", ProviderChange(status=Status.ENABLED))
    assert await states(control) == {SessionState.ACTIVE}
    await control.providers.revoke("corp")
    assert await states(control) == {SessionState.REVOKED}


async def test_what_has_expired_is_not_listed_and_leaves(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_trail, "TRIMMED_AT_ONCE", 2)
    alice = (await control.users.create("alice")).value
    for _ in range(5):
        await issue(control, alice.id)
    control.clock.advance(1)
    kept = await issue(control, alice.id)
    await control.trail.flush()
    control.clock.advance(HOUR - 1)
    assert set(await listed(control)) == {kept}
    await control.trail.trim()
    assert await control.trail_records.remove_expired(control.clock.now(), 10) == 0
    assert await control.trail_records.remove_expired(control.clock.now() + 1, 10) == 1


class Lost:
    """Records that cannot be reached, once or for good."""

    def __init__(self, real, fails: int) -> None:
        self.real, self.fails = real, fails

    async def append(self, entries) -> None:
        if self.fails:
            self.fails -= 1
            await self.real.append(entries)  # it was written after all; nobody heard of it
            raise UnavailableError("lost")
        await self.real.append(entries)


async def test_what_cannot_be_written_waits_and_what_was_written_unheard_is_there_once(
    control: Control,
) -> None:
    alice = (await control.users.create("alice")).value
    await issue(control, alice.id)
    control.trail._records = Lost(control.trail_records, 1)
    with pytest.raises(UnavailableError):
        await control.trail.flush()
    await control.trail.flush()
    control.trail._records = control.trail_records
    assert len(await listed(control)) == 1
    assert control.counted == {"written": 1}


async def test_a_full_queue_drops_and_counts_and_issues_all_the_same(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_trail, "QUEUE_LIMIT", 3)
    monkeypatch.setattr(session_trail, "BATCH", 2)
    alice = (await control.users.create("alice")).value
    for _ in range(5):
        await issue(control, alice.id)
    assert len(await listed(control)) == 3
    assert control.counted == {"written": 3, "dropped": 2}


async def test_the_rest_is_written_at_the_end(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_trail, "FLUSH_INTERVAL", 0.01)
    alice = (await control.users.create("alice")).value
    task = asyncio.create_task(control.trail.run())
    await issue(control, alice.id)
    await until(lambda: control.counted["written"])
    monkeypatch.setattr(session_trail, "FLUSH_INTERVAL", 60.0)
    await asyncio.sleep(0.05)
    await issue(control, alice.id)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len((await control.trail.list()).items) == 2
    assert control.counted["dropped"] == 0


async def test_a_database_that_is_away_ends_nothing(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_trail, "FLUSH_INTERVAL", 0.01)
    lost = Lost(control.trail_records, 5)
    trail = SessionTrail(lost, control.store, control.clock, control.trail._count, roots=())
    monkeypatch.setattr(trail, "trim", lambda: asyncio.sleep(0))
    alice = (await control.users.create("alice")).value
    issued = await control.sessions.issue(parent(alice.id))
    trail.note(issued.session, ORIGIN)
    task = asyncio.create_task(trail.run())
    await until(lambda: control.counted["written"])
    assert (lost.fails, control.counted["written"]) == (0, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
