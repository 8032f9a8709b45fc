"""``smgw phases``: the law, in every form that it can be shown in."""

from __future__ import annotations

from pathlib import Path

import click

FORMATS = ("table", "markdown", "json", "mermaid", "dot", "scxml", "tla", "promela", "svg")
"""The forms, named here so that ``--help`` needs none of them (that they are all is tested)."""


@click.command("phases")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="A table for the terminal; a page (markdown, svg); data (json); a diagram's text (mermaid, dot); "
    "a model for other tools (scxml, tla, promela).",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write to this file instead of standard output.",
)
def command(form: str, as_json: bool, output: Path | None) -> None:
    """Print the law: states, transitions, and what is open to whom.

    \b
    Examples:
      smgw phases
      smgw phases --format json | jq '.transitions[] | select(.from == "OUTAGE")'
      smgw phases --format svg --output life.svg
    """
    from lifecycle import render
    from lifecycle.law import LAW

    text = render.FORMATS["json" if as_json else form](LAW)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
