"""What stands for a training, where processes of a cluster can import it."""

from pathlib import Path
from typing import Any

from lava_ssm.train import Denoiser


def train(config: Denoiser, folder: Path, data: Path) -> dict[str, Any]:
    """Leave a file, and tell what was there to train with."""
    folder.mkdir(parents=True)
    (folder / "best.safetensors").touch()
    start = config.start is None or Path(config.start, "best.safetensors").is_file()
    return {"k": config.k, "folder": str(folder), "data": str(data), "start is there": start}
