"""External text and bytes to domain values and back; one format a file, and no I/O."""
