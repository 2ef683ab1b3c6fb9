"""`python -m hooked_analytics.cli` is `hooked-analytics`."""

import sys

from hooked_analytics.cli.main import main

sys.exit(main())
