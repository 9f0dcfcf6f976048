"""The compiled documents of service accounts and sessions: shared by their text, bounded by its length.

Who holds a credential chooses what it asks for, and who may have sessions makes them without end: so a
credential keeps its documents' text only, equal ones are compiled once, and of the sets those that were used
least recently are dropped and compiled anew when they are wanted. Compiling happens when a set is first decided
by, which is after its credential was proved: a stranger cannot cause that work.

Not here: which documents a credential has (`narrowing.py`), and how one is compiled (`policies.py`).
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from authz.policy.compile import CompiledPolicy, PolicySet, QuarantinedPolicy, compile_policy_set
from authz.policy.decision import Layer

COMPILED_OWN_BYTES: Final = 4 * 1024 * 1024
"""Most bytes of documents of credentials that are held compiled, at some 50 times as much memory."""

Documents = tuple[str, ...]

_Key = tuple[Layer, Documents]


class OwnSets:
    """The sets of credentials' own documents that were used last."""

    def __init__(
        self, compile_own: Callable[[str, Layer], CompiledPolicy | QuarantinedPolicy]
    ) -> None:
        """Compile each document of a layer by `compile_own`, which raises nothing."""
        self._compile_own = compile_own
        self._sets: OrderedDict[_Key, PolicySet] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._sets)

    def find(self, layer: Layer, documents: Documents) -> PolicySet:
        """Return `documents` as one set of `layer`."""
        key = layer, documents
        held = self._sets.get(key)
        if held is not None:
            self._sets.move_to_end(key)
            return held
        compiled = [self._compile_own(document, layer) for document in documents]
        made = self._sets[key] = compile_policy_set(compiled, layer=layer)
        self._bytes += _size(documents)
        while self._bytes > COMPILED_OWN_BYTES:
            (_, dropped), _ = self._sets.popitem(last=False)
            self._bytes -= _size(dropped)
        return made


def _size(documents: Documents) -> int:
    return sum(len(document.encode()) for document in documents)
