"""`python -m lava_ssm.cli`, which PyTorch's `torchrun -m` needs."""

from lava_ssm.cli import app

app()
