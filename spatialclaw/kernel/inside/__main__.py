"""``python -m spatialclaw.kernel.inside -f CONNECTION_FILE``: a kernel started the stock way."""

from __future__ import annotations

import sys

from spatialclaw.kernel.inside import main

if __name__ == "__main__":
    main(sys.argv[1:])
