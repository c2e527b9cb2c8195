import sys

from tests.connectors.jvm.main import main

sys.exit(main())
