"""Bars of progress."""

import nbformat
from nbclient import NotebookClient

BAR = """
from lava_ssm.progress import MovingBar
with MovingBar() as bar:
    task = bar.add_task("steps", total=100)
    for i in range(101):
        bar.update(task, completed=i)
"""


def test_a_notebook_keeps_the_last_state_alone() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(BAR)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    ((output,),) = (cell.outputs for cell in notebook.cells)
    assert output.output_type == "display_data"  # no stream with codes of a terminal
    assert "100%" in output.data["text/html"]
