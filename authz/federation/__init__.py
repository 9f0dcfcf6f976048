"""Identity providers: what asks somebody else's server, or somebody else's signature, who somebody is.

Each kind turns a proof into an `ExternalIdentity`. All that goes out to others is in this room, bounded in time
and size. Not here: what an identity may do, and what is stored of it (`control`, `access`).
"""
