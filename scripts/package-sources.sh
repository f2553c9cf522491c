# shellcheck shell=sh disable=SC2034 # sets for the scripts that source it
# Sourced by build-rpm.sh, build-deb.sh and build-container.sh. Sets: repository, version (as in package.json), target (where the
# packages go), work (a temporary folder), SOURCE_DATE_EPOCH (the last commit, so that two builds give the same bytes).
# Arguments: [--built] [--node] [DIR]; --built: `npm run build` was done, dist is as it should be.

# shellcheck source=scripts/node-check.sh
. "$(dirname -- "$0")/node-check.sh"

built=no
with_node=no # for build-deb.sh
while :; do
  case "${1:-}" in
  --built) built=yes ;;
  --node) with_node=yes ;;
  -*)
    echo "usage: sh $0 [--built] [--node] [DIR]" >&2
    exit 64
    ;;
  *) break ;;
  esac
  shift
done
target=${1:-dist/packages}
mkdir -p "$target"
target=$(CDPATH='' cd -- "$target" && pwd -P)

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
  # Without git: a source archive, whose files have the time of the commit.
  SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)
fi
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

version=$(node -p 'require("./package.json").version')
# Debian and RPM put versions with ~ before those without.
package_version=$(printf '%s' "$version" | sed 's/-/~/')

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

[ "$built" = yes ] || npm run --silent build
