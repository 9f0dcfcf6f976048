"""What surfaces need from identity providers, in their own words.

`federation/registry.py` is what they get. Rooms side by side do not know each other: `bootstrap` hands it over.
Not here: what a provider makes of a proof.
"""

from collections.abc import Sequence
from typing import Protocol

from authz.identity.credential import Secret
from authz.identity.external import Login, ProviderKind, Trace, no_trace


class Federation(Protocol):
    """The identity providers in use. All raise `UnauthenticatedError` for a proof that nobody takes.

    Besides `UnavailableError` when a provider does not answer, and of those that must be named where there are
    several, `InvalidError` and `NotFoundError`.
    """

    def find_provider(self, token: str) -> str:
        """Return the id of the provider that an ID token says to be from and for; nothing is verified."""
        ...

    def resolve(self, kind: ProviderKind, name: str) -> str:
        """Return the name of the provider that is meant: the only one of its kind where none is named."""
        ...

    async def take_token(
        self,
        token: str,
        *,
        access_token: str = "",
        provider: str = "",
        trace: Trace = no_trace,
    ) -> Login:
        """Return whom an ID token vouches for."""
        ...

    async def take_password(
        self, username: str, password: Secret, *, provider: str = "", trace: Trace = no_trace
    ) -> Login:
        """Return whom a directory knows by this name and password."""
        ...

    def take_certificate(
        self,
        leaf: bytes,
        intermediates: Sequence[bytes] = (),
        *,
        provider: str = "",
        trace: Trace = no_trace,
    ) -> Login:
        """Return whom a client's certificate (DER) stands for."""
        ...

    async def take_custom_token(
        self, token: str, *, provider: str = "", trace: Trace = no_trace
    ) -> Login:
        """Return whom a webhook vouches for."""
        ...
