"""`lava-ssm import`: arrays of a network that another program trained become a network's file."""

import zipfile
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lava_ssm.cli.arguments import check_new_network
from lava_ssm.cli.console import make_console, quoted, show

Kind = Literal["s4d", "s5", "lru", "sparse-rnns", "lava-s4d"]
Outputs = Literal["every", "last", "mean"]
Method = Literal["zoh", "bilinear"]


def import_network(
    arrays: Annotated[
        Path,
        typer.Argument(metavar="ARRAYS", help="A state dict: .pt or .pth, .safetensors, or .npz."),
    ],
    kind: Annotated[Kind, typer.Option(help="What it is of.")],
    out: Annotated[Path, typer.Option(help="Where to write the network (.safetensors).")],
    prenorm: Annotated[
        bool, typer.Option(help="Of s4d: norms stand before the blocks, not behind.")
    ] = False,
    readout: Annotated[
        Outputs | None, typer.Option(help="What the network gives; as the model, if not said.")
    ] = None,
    discretization: Annotated[Method, typer.Option(help="Of s4d, s5, sparse-rnns.")] = "zoh",
    d_state: Annotated[int, typer.Option(min=1, help="Of lava-s4d: states of a channel.")] = 1,
) -> None:
    """Make a network of the arrays of a trained one. Nothing of the file is executed."""
    check_new_network(out)
    state = _read(arrays)

    from lava_ssm import exchange

    network = exchange.from_state_dict(
        state,
        kind,
        prenorm=prenorm,
        readout=readout,
        discretization=discretization,
        d_state=d_state,
    )
    network.save(out)
    show(network)
    make_console().print(quoted(out), soft_wrap=True)


def _read(path: Path) -> dict[str, Any]:
    """Read arrays by name, without unpickling anything but tensors."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    try:
        match path.suffix:
            case ".safetensors":
                from safetensors.numpy import load_file

                return dict(load_file(path))
            case ".npz":
                import numpy as np

                with np.load(path, allow_pickle=False) as arrays:
                    return dict(arrays)
            case _:
                from lava_ssm.extras import needed

                with needed("torch"):
                    import torch

                if zipfile.is_zipfile(path):
                    with zipfile.ZipFile(path) as archive:
                        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                            raise ValueError("it is TorchScript, which is code")
                return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, ImportError):
        raise
    except Exception as error:  # of whatever the file is instead
        raise ValueError(
            f"{path}: holds no arrays that can be read without executing what it says "
            f"({str(error).partition(chr(10))[0] or type(error).__name__}); save the model's "
            "state_dict(), in float32"
        ) from error
