"""The core: what a policy document means. Pure functions over values; AWS IAM semantics and nothing else.

Documents become `Policy` values (`model`), are compiled once (`compile`), and answer access requests
(`decide`, one page). `explain` says why, slowly and separately. No I/O, no clock, no framework: the import
contract in `pyproject.toml` proves it. Text formats live in `authz/formats`.
"""
