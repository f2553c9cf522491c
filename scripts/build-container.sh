#!/bin/sh
# Builds the image with buildah, and needs no registry of images: sh scripts/build-container.sh [NAME] (default apel-ssm)
#
# With BASE and BUILD set (see Dockerfile) on those images. Else on a Debian made by debootstrap, with Node.js and npm from
# npm, because Debian's own are too old; SSM_BASE_ROOT may name a folder where debootstrap has been before. Needs root.
# STORAGE_DRIVER and BUILDAH_ISOLATION are vfs and chroot unless they are set: those work inside containers too.
set -eu

# shellcheck source=scripts/node-check.sh
. "$(dirname -- "$0")/node-check.sh"

case "${1:-}" in
-*)
  echo "usage: sh scripts/build-container.sh [NAME]" >&2
  exit 64
  ;;
esac
name=${1:-apel-ssm}
npm_version=10.9.9
: "${STORAGE_DRIVER:=vfs}" "${BUILDAH_ISOLATION:=chroot}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y package.json)}"
export STORAGE_DRIVER BUILDAH_ISOLATION SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# image FROM NAME FILE PLACE …: adds files and commits.
image() {
  container=$(buildah from "$1")
  committed=$2
  shift 2
  while [ $# -gt 0 ]; do
    buildah add --quiet "$container" "$1" "$2" >/dev/null
    shift 2
  done
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" "$committed" >/dev/null
}

make_bases() {
  root=${SSM_BASE_ROOT:-}
  if [ -z "$root" ]; then
    root=$work/root
    debootstrap --variant=minbase --include=ca-certificates,libstdc++6 bookworm "$root" >"$work/log" 2>&1 || {
      tail -n 20 "$work/log" >&2
      exit 1
    }
  fi
  sh scripts/fetch-node.sh "$work/node"
  chmod 755 "$work/node/bin/node"
  image scratch localhost/apel-ssm-base "$root" / "$work/node/bin/node" /usr/local/bin/node \
    "$work/node/LICENSE" /usr/share/doc/nodejs/LICENSE
  archive=$(npm pack --silent --pack-destination "$work" "npm@$npm_version")
  mkdir -p "$work/npm"
  tar --extract --gzip --file "$work/$archive" --directory "$work/npm" --strip-components=1 --no-same-owner
  printf '#!/bin/sh\nexec node /usr/local/lib/node_modules/npm/bin/npm-cli.js "$@"\n' >"$work/npm.sh"
  chmod 755 "$work/npm.sh"
  image localhost/apel-ssm-base localhost/apel-ssm-build "$work/npm" /usr/local/lib/node_modules/npm \
    "$work/npm.sh" /usr/local/bin/npm
}

if [ -z "${BASE:-}" ]; then
  make_bases
  BASE=localhost/apel-ssm-base
  BUILD=localhost/apel-ssm-build
fi

# A site whose proxy has a CA of its own names it for Node.js: the build fetches from npm, too.
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  set -- --volume "$NODE_EXTRA_CA_CERTS:/tmp/extra-ca.pem:ro" --build-arg NODE_EXTRA_CA_CERTS=/tmp/extra-ca.pem
else
  set --
fi
buildah build --quiet --pull-never --build-arg "BASE=$BASE" --build-arg "BUILD=${BUILD:-$BASE}" \
  --build-arg "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH" --timestamp "$SOURCE_DATE_EPOCH" "$@" --tag "$name" --format docker . \
  >"$work/log" 2>&1 || {
  tail -n 40 "$work/log" >&2
  exit 1
}
buildah images "$name"
