"""`python -m tests.oracle`; see `main.py`."""

import sys

from tests.oracle.main import main

sys.exit(main())
