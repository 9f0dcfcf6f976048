"""From a signed request to the principal that signed it.

Everything here is synchronous over what is in memory; a credential that is not there is loaded by the caller
(`load_credential`) before it asks. Nothing tells an unknown key from an expired or a disabled one: all are
verified against a key, all take the same steps, and all get the same answer.

A session has ended when its time is over, or when it or all of its user's were revoked: one answer,
`ExpiredToken`, upon which clients ask for a new one. That of a parent that is gone or disabled is answered as
that parent's keys are.

Not here: parsing proofs and computing signatures (`identity/sigv4.py`), opening tokens (`sessions.py`).
"""

from typing import Final

from authz.access.entries import KeyEntry
from authz.access.principals import Principals
from authz.access.sessions import Sessions
from authz.errors import UnauthenticatedError
from authz.identity.http import HttpRequest
from authz.identity.session import Session
from authz.identity.sigv4 import DUMMY_SIGNING_KEY, Proof, check_scope, check_time, verify

UNKNOWN_KEY: Final = "the access key id does not exist here, or may not be used"
NO_SESSION: Final = "the security token is not valid"
ENDED: Final = "the session has ended; ask for a new one"


class Authenticator:
    """Verifies proofs against the credentials in memory and the root credential."""

    def __init__(
        self,
        principals: Principals,
        sessions: Sessions,
        root: KeyEntry,
        *,
        regions: frozenset[str],
    ) -> None:
        """Accept signatures scoped to one of `regions`; `root` is the credential that is not stored."""
        self._principals = principals
        self._sessions = sessions
        self._root = root
        self._regions = regions

    def find_credential(self, access_key_id: str, session_token: str = "") -> KeyEntry | None:
        """Return the credential when it is in memory; `None` asks the caller to `load_credential`."""
        if session_token:
            return self._sessions.find(access_key_id, session_token)
        if access_key_id == self._root.id:
            return self._root
        return self._principals.find_key(access_key_id)

    async def load_credential(self, access_key_id: str, session_token: str = "") -> KeyEntry | None:
        """Load the credential; `None` when there is none of this id.

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many wait.
        """
        if session_token:
            return await self._sessions.load(access_key_id, session_token)
        if access_key_id == self._root.id:
            return self._root
        return await self._principals.load_key(access_key_id)

    async def fetch_credential(
        self, access_key_id: str, session_token: str = ""
    ) -> KeyEntry | None:
        """Return the credential from memory or else from the store; raises as `load_credential`."""
        found = self.find_credential(access_key_id, session_token)
        if found is not None:
            return found
        return await self.load_credential(access_key_id, session_token)

    def find_session(self, token: str) -> KeyEntry | None:
        """Return what a session's token stands for, when it is in memory; `None` asks for `load_session`."""
        return self._sessions.find_by_token(token)

    async def load_session(self, token: str) -> KeyEntry:
        """Load what a session's token stands for; raises as `load_credential`."""
        return await self._sessions.load_by_token(token)

    def check_session(self, credential: KeyEntry, now: float) -> KeyEntry:
        """Return the credential that was found for a session's token, which is all the proof there is.

        Raises `UnauthenticatedError` as `authenticate` does for one whose signature is right.
        """
        if credential.session is None:
            raise UnauthenticatedError("InvalidToken", NO_SESSION)
        self._check_lasts(credential, credential.session, now)
        if not credential.is_usable(now):
            raise UnauthenticatedError("InvalidAccessKeyId", UNKNOWN_KEY)
        return credential

    def authenticate(
        self,
        request: HttpRequest,
        proof: Proof,
        credential: KeyEntry | None,
        *,
        services: frozenset[str],
        now: float,
    ) -> KeyEntry:
        """Return the credential that `proof` proves, for a request scoped to one of `services`.

        `credential` is what was found under the proof's access key id and session token, `None` when nothing
        was. Raises `UnauthenticatedError` with the code AWS gives the case.
        """
        # 1. The proof is for here and now: what it costs to check does not depend on the key.
        check_scope(proof, regions=self._regions, services=services)
        check_time(proof, now)
        # 2. A token is of a session and is this access key's; long-lived credentials have none.
        session = None if credential is None else credential.session
        if bool(proof.session_token) is (session is None):
            raise UnauthenticatedError("InvalidToken", NO_SESSION)
        # 3. The signature, against a dummy key where there is no credential, so that time tells nothing.
        if credential is None:
            signing_key = DUMMY_SIGNING_KEY
        else:
            signing_key = credential.signing_key(proof.date, proof.region, proof.service)
        failure = _verify(request, proof, signing_key)
        # 4. Of a session nothing is told before it is proved, and then that it has ended, however it did.
        if session is not None and credential is not None:
            if failure is not None:
                raise failure
            self._check_lasts(credential, session, now)
        # 5. Unknown, expired and disabled are one answer, whatever the signature.
        if credential is None or not credential.is_usable(now):
            raise UnauthenticatedError("InvalidAccessKeyId", UNKNOWN_KEY)
        if failure is not None:
            raise failure
        return credential

    def _check_lasts(self, credential: KeyEntry, session: Session, now: float) -> None:
        owner = credential.owner
        # Of who is disabled all have ended, too, but it is answered as its keys are.
        is_void = owner.is_enabled and session.issued_at < owner.sessions_void_before
        if is_void or self._sessions.has_ended(session, now):
            raise UnauthenticatedError("ExpiredToken", ENDED)


def _verify(request: HttpRequest, proof: Proof, signing_key: bytes) -> UnauthenticatedError | None:
    try:
        verify(request, proof, signing_key)
    except UnauthenticatedError as error:
        return error
    return None
