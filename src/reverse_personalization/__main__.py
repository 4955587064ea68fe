"""`python -m reverse_personalization` is `revpers`."""

import sys

from reverse_personalization.cli import main

sys.exit(main())
