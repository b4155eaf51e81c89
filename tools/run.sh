#!/usr/bin/env bash
# What `make run` does: the window where there is a display, else the same job headless, into a folder.
#
#   tools/run.sh DEMO_FOLDER [MODEL]
set -euo pipefail
cd "$(dirname "$0")/.."
demo=$1
shift
if reason=$(.venv/bin/python main.py --check-window 2>&1); then
    exec .venv/bin/python main.py "${@:---sample}"
fi
echo "$reason"
echo "Running the whole loop headless instead: bitsmith demo --output $demo"
exec .venv/bin/python main.py demo --output "$demo"
