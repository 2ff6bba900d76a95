"""Write docs/configuration.md from the settings table, or with --check tell whether it is up to date."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from pydantic import BaseModel

from vitrail.settings import ModelEntry, Setting, Settings, list_settings

TARGET = Path(__file__).parent.parent / "docs" / "configuration.md"

_HEAD = """\
# Configuration

<!-- Written by `make docs` from the options classes; edit their help lines, not this file. -->

A setting can be given in four ways; the earlier one wins: a flag of `vitrail serve`, an environment variable,
`vitrail.toml` (or the file named by `--config`), the default.
`make serve PORT=9000 DATA_DIR=/srv/vitrail CONFIG=my.toml` passes the flags on.

In the file, a setting of group `fetch` stands under `[fetch]`:

```toml
data_dir = "/srv/vitrail"

[fetch]
timeout_seconds = 3

[[models]]
id = "my-model"
engine = "llama"
gguf = "model.gguf"
mmproj = "mmproj.gguf"
```

A relative path means the folder that the server is started in, wherever the file stands.
"""


def main() -> int:
    """Write or check the page; return the exit status."""
    text = render_page()
    if sys.argv[1:] == ["--check"]:
        if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
            return 0
        print("docs/configuration.md is not up to date: run `make docs`.", file=sys.stderr)
        return 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def render_page() -> str:
    """Return the whole page."""
    return "\n".join([_HEAD, *_groups(), *_models()]) + "\n"


def _groups() -> Iterator[str]:
    for group, rows in groupby(list_settings(), key=lambda row: row.group):
        about = (_options_of(group).__doc__ or "").splitlines()[:1] if group else []
        yield f"## {group or 'General'}\n"
        if about:
            yield about[0] + "\n"
        yield "| setting | flag | environment | default | meaning |\n|---|---|---|---|---|"
        yield from map(_row, rows)
        yield ""


def _options_of(group: str) -> type[BaseModel]:
    """Return the options class behind a dotted group name."""
    options: type[BaseModel] = Settings
    for name in group.split("."):
        inner = options.model_fields[name].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        options = inner
    return options


def _row(row: Setting) -> str:
    default = f"`{row.default}`" if row.default else ""
    return f"| `{row.path[-1]}` | `{row.flag}` | `{row.variable}` | {default} | {row.description} |"


def _models() -> Iterator[str]:
    yield "## models\n"
    yield "Each `[[models]]` entry of the file is one model. Without any, there is `facts-1` on the `facts` engine.\n"
    yield "| key | meaning |\n|---|---|"
    for name, field in ModelEntry.model_fields.items():
        yield f"| `{name}` | {field.description} |"


if __name__ == "__main__":
    sys.exit(main())
