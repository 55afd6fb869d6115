"""What the command says of itself."""

from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert done.exit_code == 0
    assert done.output.strip() == lava_ssm.__version__


def test_every_command_is_told_of_and_has_help() -> None:
    done = CliRunner().invoke(app, ["--help"])
    assert "State space layers" in done.output
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        assert name in done.output
        assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0
