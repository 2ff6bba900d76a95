"""What requests cost, as `python -m bench.scaling --measure` found it; the plans of docs/scaling.md stand on these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RequestCost:
    """What one request with an image of a kind takes: seconds of a core, and bytes of the network.

    `server_seconds` is the serving process, which has one core at most; decoding is done in processes beside it.
    """

    server_seconds: float
    decode_seconds: float
    postgres_seconds: float
    valkey_seconds: float
    in_bytes: float  # from the client, in Base64
    engine_bytes: float  # to the engine, in Base64 too
    out_bytes: float  # to the client, a stream

    @property
    def core_seconds(self) -> float:
        """Return what Vitrail takes, without its stores."""
        return self.server_seconds + self.decode_seconds


@dataclass(frozen=True, slots=True)
class LedgerCost:
    """What one Postgres takes of the ledger's rows, written as fast as it takes them, and how large a row gets."""

    rows_per_second: float  # teams do not pay
    single_rows_per_second: float  # each row a transaction of its own
    charged_rows_per_second: float  # all rows of one team that pays, whose balance is locked by turns
    row_bytes: float  # of table and indexes
    log_bytes: float  # of the write-ahead log


@dataclass(frozen=True, slots=True)
class Costs:
    """All of it. Requests by the names of `load.MIX`: answers that are streamed, and answers that are read whole."""

    requests: Mapping[str, RequestCost]
    whole: Mapping[str, RequestCost]
    ledger: LedgerCost


RECORDED = Costs(  # on 2026-11-26, two cores that were shared with other work, the best of three rounds
    requests=MappingProxyType(
        {
            "screenshot crop": RequestCost(0.0534, 0.0034, 0.0009, 0.0006, 118_920, 740_011, 71_800),
            "web photo": RequestCost(0.0872, 0.0278, 0.0013, 0.0009, 636_584, 2_190_835, 71_800),
            "phone photo": RequestCost(0.0803, 0.0934, 0.0013, 0.0009, 3_444_260, 1_929_959, 71_800),
        }
    ),
    whole=MappingProxyType(
        {
            "screenshot crop": RequestCost(0.0328, 0.0041, 0.0006, 0.0006, 118_921, 740_031, 1_217),
            "web photo": RequestCost(0.0653, 0.0278, 0.0016, 0.0009, 636_585, 2_190_855, 1_217),
            "phone photo": RequestCost(0.0797, 0.1203, 0.0019, 0.0013, 3_444_261, 1_929_979, 1_217),
        }
    ),
    ledger=LedgerCost(9_538, 1_210, 3_025, 487, 796),
)
