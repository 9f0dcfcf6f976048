"""The data plane: may this happen, now? Caches, freshness, authentication, authorization."""
