"""AWS-compatible identity and access management, as a service of its own."""

from importlib.metadata import version

__version__ = version("authz")
