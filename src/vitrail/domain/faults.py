"""Faults of the transport that a script may play, so that clients can be tested against them.

Raised by the scripted engine alone. A surface that can break its connection shows the fault; any other one says that
the service is unavailable.
"""

from __future__ import annotations

from enum import StrEnum

from vitrail.domain.errors import Unavailable


class TransportFault(StrEnum):
    """How an answer goes wrong on its way, without an error that says so."""

    DROP = "drop"  # the connection is closed, in the middle of whatever was sent
    TRUNCATE = "truncate"  # the answer ends early: a stream without finish and [DONE], a body shorter than declared
    INVALID_JSON = "invalid_json"  # something that is not JSON stands where JSON should be


class PlayedFault(Unavailable):
    """The service is currently unavailable."""

    def __init__(self, fault: TransportFault) -> None:
        self.fault = fault
        super().__init__(f"This is the scripted fault `{fault.value}`.")
