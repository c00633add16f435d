"""Export: a scenario as one script for a bug report, as a notebook; a run as a page that plays."""

from __future__ import annotations

from sandbox.export.html import to_html as to_html
from sandbox.export.notebook import to_notebook as to_notebook
from sandbox.export.script import CLAIMS as CLAIMS
from sandbox.export.script import to_script as to_script
