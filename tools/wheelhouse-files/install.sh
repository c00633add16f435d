#!/bin/sh
# Install Celery Sandbox from the wheels beside this script; nothing is asked of a network.
#   ./install.sh [FOLDER]        FOLDER is the virtual environment to make (venv)
#   PYTHON=python3.x ./install.sh  takes another Python than python3
set -eu
here=$$(CDPATH='' cd -- "$$(dirname -- "$$0")" && pwd)
python=$${PYTHON:-python3}
venv=$${1:-venv}

found=$$("$$python" -c 'import platform as p; print(*p.python_version_tuple()[:2], sep=".", end=f" on {p.system()} {p.machine()}")')
if [ "$$found" != "$python_version on $system" ]; then
  echo "install.sh: $$python is Python $$found; these wheels are for Python $python_version on $system" >&2
  exit 2
fi

"$$python" -m venv "$$venv"
PIP_CONFIG_FILE=/dev/null "$$venv/bin/python" -m pip --isolated --disable-pip-version-check \
  install --quiet --no-index --find-links "$$here/wheels" '$requirement'

echo "Installed. Now:"
echo "  $$venv/bin/sandbox doctor"
echo "  $$venv/bin/jupyter lab $$here/notebooks/00-start-here.ipynb"
