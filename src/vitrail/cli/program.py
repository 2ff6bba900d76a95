"""Put the commands together, and turn failures into one legible line and an exit status."""

from __future__ import annotations

import sys

import typer

from vitrail import __version__
from vitrail.cli import ask, credits, keys, models, serve, teams, tokens, usage
from vitrail.domain.errors import Failure
from vitrail.settings import SettingsError


def build_program() -> typer.Typer:
    """Return the whole command line program."""
    program = typer.Typer(
        name="vitrail",
        help="The Grok image-understanding API, served from your own machine.",
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
    )
    flags = {"allow_extra_args": True, "ignore_unknown_options": True}
    program.command("serve", context_settings=flags)(serve.serve)
    program.command("ask")(ask.ask)
    program.command("tokens")(tokens.tokens)
    program.add_typer(models.build_group(), name="models")
    program.add_typer(teams.build_group(), name="teams")
    program.add_typer(keys.build_group(), name="keys")
    program.add_typer(credits.build_group(), name="credits")
    program.command("usage")(usage.usage)
    program.callback()(_options)
    return program


def main() -> None:
    """Run the command line; a failure is one line on stderr and status 1, a wrong setting status 2."""
    try:
        build_program()()
    except Failure as failure:
        _fail(failure.sentence, status=1)
    except SettingsError as error:
        _fail(str(error), status=2)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(text: str, *, status: int) -> None:
    print(f"vitrail: {text}", file=sys.stderr)
    sys.exit(status)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"vitrail {__version__}")
        raise typer.Exit


def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """The Grok image-understanding API, served from your own machine."""
