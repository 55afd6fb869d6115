"""Check the wheel and the source archive in a folder: complete, and nothing else in them.

make dist
"""

import email
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
_MOST = 12 * 2**20
"""Bytes of each archive."""


def tracked() -> set[str]:
    """Files that git knows, but for what it is told to ignore in archives."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def check_wheel(path: Path) -> list[str]:
    """Say what is wrong with a wheel."""
    with zipfile.ZipFile(path) as wheel:
        names = set(wheel.namelist())
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(about))
        entries = wheel.read(about.replace("METADATA", "entry_points.txt")).decode()
    package = {name for name in names if ".dist-info/" not in name}
    wanted = {name for name in tracked() if name.startswith("lava_ssm/")}
    wrong = differences(package, wanted, path)
    if not any(name.endswith("/LICENSE") for name in names):
        wrong.append(f"{path.name} has no licence")
    if "lava-ssm = lava_ssm.cli:app" not in entries:
        wrong.append(f"{path.name} has no command lava-ssm")
    if metadata["Requires-Python"] != ">=3.10" or not str(metadata.get_payload()).startswith("# "):
        wrong.append(f"{path.name} tells of another Python, or has no README")
    return wrong


def check_source(path: Path) -> list[str]:
    """Say what is wrong with a source archive."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    return differences(names - {"PKG-INFO"}, tracked(), path)


def differences(found: set[str], wanted: set[str], path: Path) -> list[str]:
    """Say what is missing, what is too much, and whether the file is too large."""
    wrong = [f"{path.name} lacks {name}" for name in sorted(wanted - found)]
    wrong += [f"{path.name} holds {name}, which git does not" for name in sorted(found - wanted)]
    if path.stat().st_size > _MOST:
        wrong.append(f"{path.name} has {path.stat().st_size:,} bytes, more than {_MOST:,}")
    return wrong


def main(folder: Path) -> int:
    """Check what is in a folder; 1 if something is wrong."""
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    wrong = check_wheel(wheel) + check_source(source)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    for path in (wheel, source):
        print(f"{path}: {path.stat().st_size:,} bytes")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
