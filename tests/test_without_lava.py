"""The rooms below Lava outlive it: they run in a Python that has none."""

import subprocess
import sys

CODE = """
import sys

class NoLava:
    def find_spec(self, name, path=None, target=None):
        if name == "lava" or name.startswith("lava."):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, NoLava())
try:
    import lava
except ImportError:
    pass
else:
    raise SystemExit("lava could be imported: this test proves nothing")

import numpy as np
import torch
import lava_ssm as ssm

torch.manual_seed(0)
model = ssm.nn.NS4D(1, 8, 4, 2, 10, readout="mean")
x = np.random.default_rng(0).random((5, 20, 1))
network = ssm.nn.export(model)
fixed = ssm.quantize(network, calibration=x)
fixed.save(sys.argv[1])
again = ssm.load(sys.argv[1])
logits = again.run(x)
stream = again.stream(batch=(5,))
steps = np.stack([stream.step(x[:, t]) for t in range(20)], axis=1)
assert (steps == logits).all()
assert ssm.numerics.Format(24, 6).max > 0
print(ssm.compress.report(network, fixed, x))
counted = ssm.loihi2.count(fixed, x)
print(ssm.loihi2.estimate(counted, ssm.loihi2.map(counted)))
assert not ssm.loihi2.is_available()
try:
    ssm.loihi2.lower(fixed)
except ImportError as error:
    assert "is blocked" in str(error)
else:
    raise SystemExit("lower needs Lava")
try:
    ssm.proc
except ImportError as error:
    print(error)
"""


def test_everything_but_the_processes_works_without_lava(tmp_path) -> None:  # type: ignore[no-untyped-def]
    command = [sys.executable, "-c", CODE, str(tmp_path / "net.safetensors")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "is blocked" in done.stdout.splitlines()[-1]
