"""`python -m deployments serve | models | doctor`: the launcher and the commands of an operator."""

from __future__ import annotations

import sys

from deployments.cli import main

sys.exit(main(sys.argv[1:]))
