"""Export: a scenario as one script for a bug report, and as a notebook."""

from __future__ import annotations

from sandbox.export.notebook import to_notebook as to_notebook
from sandbox.export.script import CLAIMS as CLAIMS
from sandbox.export.script import to_script as to_script
