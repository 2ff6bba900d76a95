"""Plan how many Vitrail processes and GPUs a load needs, and check the plan by simulating its queues.

    python -m bench.scaling [--rates 10,1000,100000] [--gpu-prompt-tokens 20000 --gpu-completion-tokens 2500]
    python -m bench.scaling --measure [--rounds 5]     (costs of this machine, to write into recorded.py)

Planning is arithmetic over costs: what a request takes of Vitrail and its stores (measured through a real process over
real stores), and what a GPU gives in tokens a second (yours to fill in: none was at hand). The simulation then lets
requests arrive at random; large loads are simulated as one cell of many alike.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pprint import pformat

from bench.scaling.load import Gpu
from bench.scaling.recorded import RECORDED, Costs
from bench.scaling.tables import list_tables

_LEDGER_SECONDS = 4.0


def measure(rounds: int) -> Costs:
    """Return what this machine shows."""
    from bench.scaling.measuring import measure_requests  # these need Postgres and a Valkey, plans do not
    from bench.scaling.store_costs import measure_ledger

    return Costs(
        requests=measure_requests(rounds=rounds, is_streamed=True),
        whole=measure_requests(rounds=rounds, is_streamed=False),
        ledger=measure_ledger(seconds=_LEDGER_SECONDS, rounds=rounds),
    )


def main() -> None:
    """Measure where asked to, plan, simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="10,1000,100000", help="images a second, with commas")
    parser.add_argument("--measure", action="store_true", help="measure on this machine first (Postgres, Valkey)")
    parser.add_argument("--rounds", type=int, default=5, help="of each measurement; the best one counts")
    parser.add_argument("--gpu-prompt-tokens", type=float, default=Gpu().prompt_tokens_per_second, help="a second")
    parser.add_argument("--gpu-completion-tokens", type=float, default=Gpu().completion_tokens_per_second)
    told = parser.parse_args()
    costs = measure(told.rounds) if told.measure else RECORDED
    if told.measure:
        print(pformat(costs, width=120), "\n")
    gpu = replace(
        Gpu(),
        prompt_tokens_per_second=told.gpu_prompt_tokens,
        completion_tokens_per_second=told.gpu_completion_tokens,
    )
    for title, lines in list_tables(costs, gpu, rates=tuple(map(float, told.rates.split(",")))):
        print(f"{title}\n", *lines, "", sep="\n")


if __name__ == "__main__":
    main()
