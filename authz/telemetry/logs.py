"""The service's own log: events in the past tense with facts as keywords, JSON in production.

For operators: what started, stopped, failed, recovered. Not for decisions (`decision_log.py`), and never for a
secret: values whose type redacts itself stay redacted here, and nothing on the allow path logs at all.
"""

import logging
import sys
from typing import Final

import structlog

FORMATS: Final = ("auto", "json", "text")


def configure(log_format: str, level: str) -> None:
    """Set the process's log up once: `log_format` is one of `FORMATS`, `level` a standard level name.

    `auto` is text on a terminal and JSON otherwise. Everything goes to standard error.
    """
    as_text = log_format == "text" or (log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if as_text else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def get_logger(room: str) -> structlog.typing.FilteringBoundLogger:
    """Return the logger of a room (`access`, `serving`, …)."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(room=room)
    return logger
