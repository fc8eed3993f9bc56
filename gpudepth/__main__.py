"""python -m gpudepth"""

import sys

from .cli.app import run_command

if __name__ == "__main__":
    sys.exit(run_command())
