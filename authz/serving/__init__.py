"""Surfaces: the ways in. Each is bytes in, bytes out; transports are adapters around them."""
