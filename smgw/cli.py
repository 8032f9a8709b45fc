"""The entry point of ``smgw``: the group, its sections, and the options that hold for every command."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence

import click

from smgw.logs import configure_logging

SECTIONS: Mapping[str, Sequence[str]] = {
    "See it": ("life", "serve", "sml", "tariff"),
    "The law": ("phases", "prove", "gate"),
    "The keys": ("module", "pki"),
    "The stations": ("factory", "install", "admin", "technician", "recycle"),
    "The record": ("party", "reader", "gateway", "replay", "journal", "db"),
    "The shell": ("completion",),
}
"""Commands in the order a newcomer needs them; each is a module of :mod:`smgw.commands`."""


class SectionedGroup(click.Group):
    """A group that loads a command when it is asked for and prints help by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  Click hands it over
        return [name for names in SECTIONS.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"smgw.commands.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101  a module without one is a programming error
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, names in SECTIONS.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(section):
                formatter.write_dl([(name, cmd.get_short_help_str(96)) for name, cmd in commands if cmd is not None])


@click.group(
    cls=SectionedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120, "auto_envvar_prefix": "SMGW"},
)
@click.version_option(package_name="smgw", prog_name="smgw")
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="warning",
    show_default=True,
    envvar="SMGW_LOG_LEVEL",
    help="How much to log, on standard error.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    default="console",
    show_default=True,
    envvar="SMGW_LOG_FORMAT",
    help="Lines for a person, or one JSON object a line for a machine.",
)
def main(log_level: str, log_format: str) -> None:
    """An open smart meter gateway whose life is law (BSI TR-03109-1, Anlage VIII).

    \b
    A first look:
      smgw life                    one gateway's whole life, with real keys and signatures, then replayed
      smgw serve --dev             the same record in a browser: who may do what, and why not
      smgw gateway play            a gateway in its household, where a day takes a minute: the consumer's page
      smgw phases                  the law itself: twenty states, twenty-eight transitions
      smgw prove                   that the law keeps its ten promises, by complete enumeration

    Every command that prints results takes --json. Every option can be set in the environment as
    SMGW_COMMAND_OPTION (those shared by commands as SMGW_HOME and SMGW_DATABASE).
    """
    configure_logging(log_level, log_format)
