"""What stands around the library says the same everywhere, and names what there is."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PYTHONS = re.findall(r"Python :: (3\.\d+)", PYPROJECT)
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())


def test_each_python_has_its_constraints_and_is_known_to_the_set_up() -> None:
    assert sorted(path.stem for path in (ROOT / "constraints").glob("*.txt")) == PYTHONS
    (known,) = re.findall(r'^versions="(.*)"', (ROOT / "scripts/setup.sh").read_text(), re.M)
    assert sorted(known.split()) == PYTHONS


@pytest.mark.parametrize("job", ["whole", "wheel"])
def test_the_workflow_takes_every_python(job: str) -> None:
    assert WORKFLOW["jobs"][job]["strategy"]["matrix"]["python"] == PYTHONS


def test_what_the_workflow_makes_can_be_made() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    targets = {word for step in steps for word in re.findall(r"make ([\w-]+)", step.get("run", ""))}
    rules = re.findall(r"^([\w -]+):(?!=)", (ROOT / "Makefile").read_text(), re.M)
    assert targets <= {target for rule in rules for target in rule.split()}


@pytest.mark.parametrize("path", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("*/*.md")), ids=str)
def test_documents_point_to_what_is_there(path: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / link).exists(), link
