"""`python -m lava_ssm` is the command `lava-ssm`."""

from lava_ssm.cli import app

app(prog_name="python -m lava_ssm")
