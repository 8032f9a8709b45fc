"""``smgw completion``: for the shell."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Bash:  smgw completion bash > ~/.local/share/bash-completion/completions/smgw
    Zsh:   smgw completion zsh > "${fpath[1]}/_smgw"
    Fish:  smgw completion fish > ~/.config/fish/completions/smgw.fish
    """
    from click.shell_completion import get_completion_class

    from smgw.cli import main

    script = get_completion_class(shell)
    assert script is not None  # noqa: S101  the choices are Click's own
    click.echo(script(main, {}, "smgw", "_SMGW_COMPLETE").source())
