#!/bin/sh
# Puts a Node.js for this machine's architecture into DIR (bin/node, LICENSE, package.json), from npm: sh scripts/fetch-node.sh DIR
# For packages and images of systems that have none that is new enough. npm verifies what it fetches.
set -eu

# The version is part of what is shipped: raise it with the security releases of Node.js.
version=22.23.3

target=${1:?usage: sh scripts/fetch-node.sh DIR}
case $(uname -m) in
x86_64) architecture=x64 ;;
aarch64) architecture=arm64 ;;
*)
  echo "npm has no Node.js for $(uname -m)" >&2
  exit 69
  ;;
esac
mkdir -p "$target"
archive=$(npm pack --silent --pack-destination "$target" "node-linux-$architecture@$version")
tar --extract --gzip --file "$target/$archive" --directory "$target" --strip-components=1 --no-same-owner \
  package/bin/node package/LICENSE package/package.json
rm "$target/$archive"
