"""Matrices: one file a storage form; `forms.py` lists them, `synapse.py` is what kernels call."""

from lava_ssm.engine.compiled.matrix.form import GRAIN, MATRIX, Form, Row
from lava_ssm.engine.compiled.matrix.forms import FORMS, form_of, lay_out
from lava_ssm.engine.compiled.matrix.real import add_real
from lava_ssm.engine.compiled.matrix.synapse import synapse

__all__ = ["FORMS", "GRAIN", "MATRIX", "Form", "Row", "add_real", "form_of", "lay_out", "synapse"]
