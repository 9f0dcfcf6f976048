"""The command `authz`: argv → a call of the service, or the service itself → exit code.

A client of the public gRPC API like any other, except for `serve`, `migrate`, `config` and parts of `doctor`,
which run on the service's machine and read its settings. Heavy imports happen inside commands, so that help and
completion answer at once.
"""
