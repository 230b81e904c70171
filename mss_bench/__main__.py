"""``python -m mss_bench``."""

import sys

from mss_bench.cli.main import main

sys.exit(main())
