#!/bin/sh
# Shows it work, on this machine alone: sh scripts/demo.sh [--keep DIR] [--count N]
# Needs Node.js only; installs the npm packages into this folder when they are not there yet.
set -eu

# shellcheck source=scripts/node-check.sh
. "$(dirname -- "$0")/node-check.sh"

# npm writes this file last: without it an installation is missing or was interrupted; older than ours, outdated.
# A link is somebody else's folder, and `npm ci` would empty what it leads to.
installed=node_modules/.package-lock.json
if [ ! -L node_modules ] && { [ ! -f "$installed" ] || [ -n "$(find package-lock.json -newer "$installed")" ]; }; then
  echo "Installing npm packages …"
  npm ci --loglevel=error --no-audit --no-fund --ignore-scripts >/dev/null
fi
npm run --silent build
cd - >/dev/null
exec node "$repository/dist/src/bin/ssmctl.js" demo "$@"
