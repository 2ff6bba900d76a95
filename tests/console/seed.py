"""Give a server's database management keys, two teams, keys and October 2025: `python -m tests.console.seed DATA_DIR`.

Prints JSON of what the tests need. The usage is drawn by a dice with a seed, so it is the same in every run.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from vitrail.domain.completion import Usage
from vitrail.domain.models import Prices
from vitrail.domain.settlement import CompletionStatus, Settlement, count_cost
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.service.management_keys import ManagementKeys
from vitrail.service.teams import Teams
from vitrail.store.completions import insert_settlements
from vitrail.store.database import DatabaseOptions, open_database

START = datetime(2025, 10, 1, tzinfo=UTC)
MODELS = {"grok-2-vision-1212": Prices(20000, 20000, 5000, 100000), "words-only": Prices(2000, 0, 500, 8000)}


def seed(data_dir: Path) -> dict[str, str]:
    """Write everything; return ids and secrets by name."""
    database = open_database(DatabaseOptions(), data_dir=data_dir)
    try:
        teams, managed = Teams(database), ManagementKeys(database)
        keyring = Keyring(database, KeyringOptions(), monotonic=time.monotonic)
        acme, birch = teams.create("acme"), teams.create("birch")
        keys = [keyring.create(name=name, team="acme").key.id for name in ("website", "ci", "=HYPERLINK(1)")]
        rows = list(draw(acme.id, keys))
        database.run(lambda connection: insert_settlements(connection, rows))
        return {
            "acme": acme.id,
            "birch": birch.id,
            "ci": keys[1],
            "operator": managed.create(name="ops").secret,
            "acmeAdmin": managed.create(name="acme-admin", team="acme").secret,
            "usd": f"{sum(row.cost.total_ticks for row in rows) / 10**10:.2f}",
            "tokens": str(sum(row.usage.total_tokens for row in rows)),
            "requests": str(len(rows)),
        }
    finally:
        database.close()


def draw(team_id: str, keys: list[str]) -> Iterator[Settlement]:
    """Yield completions of a month that grows busier, quieter at night and on weekends."""
    dice = Random(7)
    for hour in range(31 * 24):
        at = START + timedelta(hours=hour)
        busy = (1 + hour / 300) * (0.2 if at.weekday() > 4 else 1) * (1 if 7 < at.hour < 19 else 0.1)
        for number in range(int(busy * dice.random() * 4)):
            model = dice.choices(list(MODELS), (3, 1))[0]
            has_image = model == "grok-2-vision-1212"
            text = dice.randrange(20, 900)
            usage = Usage(
                text_tokens=text,
                image_tokens=dice.choice((256, 1792)) if has_image else 0,
                cached_tokens=dice.choice((0, text // 2)),
                completion_tokens=dice.randrange(10, 600),
            )
            yield Settlement(
                completion_id=f"seed-{hour}-{number}",
                request_id=f"r-{hour}-{number}",
                team_id=team_id,
                api_key_id=dice.choices(keys, (5, 3, 1))[0],
                endpoint=dice.choices(("chat", "messages"), (4, 1))[0],
                model=model,
                status=CompletionStatus.FINISHED,
                at=at + timedelta(minutes=dice.randrange(60)),
                usage=usage,
                cost=count_cost(usage, MODELS[model]),
                client_ip=f"10.0.0.{dice.randrange(4)}",
            )


if __name__ == "__main__":
    print(json.dumps(seed(Path(sys.argv[1]))))
