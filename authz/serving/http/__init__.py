"""The HTTP transport: health, readiness, metrics."""
