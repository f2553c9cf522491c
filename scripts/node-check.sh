# shellcheck shell=sh
# Sourced by test.sh and demo.sh: is there a Node that can run this, and where is the repository?
# Sets `repository` and changes into it. Ends the script with exit code 69 and one sentence when it cannot go on.

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 69
cd -- "$repository" || exit 69

if ! command -v node >/dev/null 2>&1; then
  echo "Node.js is not installed: this needs Node.js 20.19 or later, 22.12 or later, or 24 (https://nodejs.org)." >&2
  exit 69
fi
if ! node -e '
  const [major, minor] = process.versions.node.split(".").map(Number)
  process.exit((major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22 ? 0 : 1)'; then
  echo "Node.js $(node -v) is too old: this needs 20.19 or later, 22.12 or later, or 24 (https://nodejs.org)." >&2
  exit 69
fi
if ! command -v npm >/dev/null 2>&1; then
  echo "npm is not installed: it comes with Node.js from https://nodejs.org, or as the package npm." >&2
  exit 69
fi
