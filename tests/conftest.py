"""Small networks train fastest on one thread of PyTorch's, here and in what tests start."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
