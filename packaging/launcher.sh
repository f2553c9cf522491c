#!/bin/sh
# Starts @PROGRAM@ with a Node.js that can run it: 20.19 or later, 22.12 or later, or 23 and up.
lib=/usr/lib/apelssm

# Must be set before Node starts: how many files are synced at a time.
: "${UV_THREADPOOL_SIZE:=16}"
export UV_THREADPOOL_SIZE

# Of the package apelssm-node.
if [ -x "$lib/node" ]; then exec "$lib/node" "$lib/bin/@PROGRAM@.js" "$@"; fi

seen=
for name in node-24 node-22 node-20 node nodejs; do
  node=$(command -v "$name") || continue
  version=$("$node" -v 2>/dev/null </dev/null)
  case $version in
  v20.19.* | v20.[2-9][0-9].* | v22.1[2-9].* | v22.[2-9][0-9].* | v2[3-9].* | v[3-9][0-9].*)
    exec "$node" "$lib/bin/@PROGRAM@.js" "$@"
    ;;
  v*) seen="$seen, $node is $version" ;;
  esac
done
echo "@PROGRAM@: needs Node.js 20.19 or later, 22.12 or later, or 24${seen:-, and there is none}:" \
  "install the package nodejs (EL: dnf module enable nodejs:22) or apelssm-node." >&2
exit 78
