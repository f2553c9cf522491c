#!/bin/sh
# Starts @PROGRAM@ with a Node.js that can run it: 20.19 or later, 22.12 or later, or 23 and up.
program=@PROGRAM@
lib=/usr/lib/apelssm

# Process 1 of a container ends only at signals that it traps.
if [ $$ = 1 ]; then
  trap 'exit 143' TERM
  trap 'exit 130' INT
fi

# What stays has half of Node's room for young objects: 17 MB less, and no more of the processor. Not a sender that mostly
# finds nothing: with a flag for V8, Node's own modules do not fit what Node keeps of them compiled, 12 ms more at each start.
young=
case "$program $*" in
ssmreceive* | *" --watch"*) young=--max-semi-space-size=8 ;;
esac
# Must be set before Node starts: how many files are synced at a time. A receiver stored 190 messages a second with 16 on a
# busy disk, 70 with Node's own 4, and 300 with 32, for the same processor time. Signing goes best with Node's own.
if [ "$program" = ssmreceive ]; then
  : "${UV_THREADPOOL_SIZE:=32}"
  export UV_THREADPOOL_SIZE
fi

# Of the package apelssm-node.
if [ -x "$lib/node" ]; then exec "$lib/node" ${young:+"$young"} "$lib/bin/$program.js" "$@"; fi

seen=
for name in node-24 node-22 node-20 node nodejs; do
  node=$(command -v "$name") || continue
  version=$("$node" -v 2>/dev/null </dev/null)
  case $version in
  v20.19.* | v20.[2-9][0-9].* | v22.1[2-9].* | v22.[2-9][0-9].* | v2[3-9].* | v[3-9][0-9].*)
    exec "$node" ${young:+"$young"} "$lib/bin/$program.js" "$@"
    ;;
  v*) seen="$seen, $node is $version" ;;
  esac
done
echo "$program: needs Node.js 20.19 or later, 22.12 or later, or 24${seen:-, and there is none}:" \
  "install the package nodejs (EL: dnf module enable nodejs:22) or apelssm-node." >&2
exit 78
