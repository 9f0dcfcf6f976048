"""The control plane: who exists, what is stored, and how it changes; one file a use-case family."""
