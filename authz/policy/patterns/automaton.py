"""Glob matching as a bit-parallel automaton: linear in the text, whatever the pattern.

Source: Baeza-Yates and Gonnet, "A New Approach to Text Searching" (1992), with a self-loop for each `*`.
"""

from collections.abc import Iterable

from authz.policy.patterns.tokens import Fixed, Wildcard


class Automaton:
    """A pattern as a non-deterministic automaton in one integer: bit `i` says that `i` characters matched."""

    __slots__ = ("_accepting", "_loops", "_masks", "_ones")

    def __init__(self, tokens: Iterable[Fixed]) -> None:
        masks: dict[str, int] = {}
        ones = loops = 0
        bit = 1
        for token in tokens:
            if token is Wildcard.RUN:
                loops |= bit
            elif token is Wildcard.ONE:
                bit <<= 1
                ones |= bit
            else:
                for character in str(token):
                    bit <<= 1
                    masks[character] = masks.get(character, 0) | bit
        self._masks = {character: mask | ones for character, mask in masks.items()}
        self._ones = ones
        self._loops = loops
        self._accepting = bit

    def _run(self, text: str) -> int:
        masks, ones, loops, state = self._masks, self._ones, self._loops, 1
        for character in text:
            state = (state << 1 & masks.get(character, ones)) | (state & loops)
            if not state:
                break
        return state

    def accepts(self, text: str) -> bool:
        """Tell whether the pattern matches the whole `text`."""
        return bool(self._run(text) & self._accepting)

    def overlaps(self, prefix: str) -> bool:
        """Tell whether the pattern matches some text that begins with `prefix`.

        From every state the end can be reached by some text, so one live state is enough.
        """
        return self._run(prefix) != 0
