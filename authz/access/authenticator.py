"""From a signed request to the principal that signed it.

Everything here is synchronous over what is in memory; a credential that is not there is loaded by the caller
(`Principals.load_key`) before it asks. Nothing tells an unknown key from a disabled one: both are verified
against a key, both take the same steps, and both get the same answer.

Not here: parsing proofs and computing signatures (`identity/sigv4.py`).
"""

from typing import Final

from authz.access.entries import KeyEntry
from authz.access.principals import Principals
from authz.errors import UnauthenticatedError
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import DUMMY_SIGNING_KEY, Proof, check_scope, check_time, verify

UNKNOWN_KEY: Final = "the access key id does not exist here, or may not be used"


class Authenticator:
    """Verifies proofs against the credentials in memory and the root credential."""

    def __init__(self, principals: Principals, root: KeyEntry, *, regions: frozenset[str]) -> None:
        """Accept signatures scoped to one of `regions`; `root` is the credential that is not stored."""
        self._principals = principals
        self._root = root
        self._regions = regions

    def find_credential(self, access_key_id: str, session_token: str = "") -> KeyEntry | None:
        """Return the credential when it is in memory; `None` asks the caller to `load_credential`."""
        if access_key_id == self._root.id:
            return self._root
        return self._principals.find_key(access_key_id)

    async def load_credential(self, access_key_id: str, session_token: str = "") -> KeyEntry | None:
        """Load the credential; `None` when there is none of this id.

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many wait.
        """
        if access_key_id == self._root.id:
            return self._root
        return await self._principals.load_key(access_key_id)

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

        `credential` is what was found under the proof's access key id, `None` when nothing was. Raises
        `UnauthenticatedError` with the code AWS gives the case.
        """
        # 1. The proof is for here and now: what it costs to check does not depend on the key.
        check_scope(proof, regions=self._regions, services=services)
        check_time(proof, now)
        # 2. Long-lived credentials have no session token, so one that is sent is not theirs.
        if proof.session_token:
            raise UnauthenticatedError("InvalidToken", "the security token is not valid")
        # 3. The signature, against a dummy key where there is no credential, so that time tells nothing.
        if credential is None:
            signing_key = DUMMY_SIGNING_KEY
        else:
            signing_key = credential.signing_key(proof.date, proof.region, proof.service)
        failure = _verify(request, proof, signing_key)
        # 4. Unknown and disabled are one answer, whatever the signature.
        if credential is None or not credential.is_enabled or not credential.owner.is_enabled:
            raise UnauthenticatedError("InvalidAccessKeyId", UNKNOWN_KEY)
        if failure is not None:
            raise failure
        return credential


def _verify(request: HttpRequest, proof: Proof, signing_key: bytes) -> UnauthenticatedError | None:
    try:
        verify(request, proof, signing_key)
    except UnauthenticatedError as error:
        return error
    return None
