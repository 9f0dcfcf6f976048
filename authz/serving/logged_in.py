"""What a credential of somebody who logged in through a provider says of that login, for what it makes.

A login grants policies and says facts beside what the stored user has, and a fact can be what a deny looks at.
So who makes a credential out of another for itself hands both on, whole: to an access key of its own, or to a
session of such a key. A key lasts where the login ended, which is what service accounts are for; what was
narrowed hands nothing on, for it makes none (CVE-2025-62506).

Not here: whether it may (`admin.py`, by policy), and how credentials act (`access`).
"""

from authz.access.entries import KeyEntry
from authz.control.access_keys import NOTHING_SAID, Said


def is_login(caller: KeyEntry) -> bool:
    """Tell whether this is a session that an external user got by logging in: not narrowed, and no role's."""
    session, vouched = caller.session, caller.owner.vouched
    return (
        session is not None
        and vouched is not None
        and session.provider == vouched.provider_id
        and not caller.is_narrowed
    )


def said_of(caller: KeyEntry) -> Said:
    """Return what `caller` hands on to a credential of the same user: nothing where no login speaks of it."""
    session, owner, acting = caller.session, caller.owner, caller.acting
    if session is not None:
        is_whole = is_login(caller)
        return Said(granted=session.granted, facts=session.facts) if is_whole else NOTHING_SAID
    if owner.vouched is None or acting is owner:
        return NOTHING_SAID
    facts = {
        key: values
        for key, values in acting.principal.facts.items()
        if key not in owner.principal.facts
    }
    return Said(granted=acting.handle.granted_ids, facts=facts)
