#!/bin/sh
# Builds apel-ssm_<version>_all.deb: sh scripts/build-deb.sh [--built] [--node] [DIR] (default dist/packages). Needs Node, npm and
# dpkg-deb; after `npm ci` no network. With --node also apelssm-node_<version>_<architecture>.deb, a Node.js for
# distributions whose own is too old: from npm's packages of Node.js, so this part needs the network.
set -eu

# shellcheck source=scripts/package-sources.sh
. "$(dirname -- "$0")/package-sources.sh"

if ! command -v dpkg-deb >/dev/null 2>&1; then
  echo "dpkg-deb is not installed: Debian's package dpkg, EL's dpkg in EPEL." >&2
  exit 69
fi

# pack ROOT CONTROL NAME ARCHITECTURE VERSION: from a laid out ROOT, whose DEBIAN has everything but control and sums.
pack() {
  root=$1 control=$2 file=$target/$3_$5_$4.deb
  size=$(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
  mkdir -p "$root/DEBIAN"
  sed -e "s/@VERSION@/$5/" -e "s/@SIZE@/$size/" -e "s/@ARCHITECTURE@/$4/" "$control" >"$root/DEBIAN/control"
  (cd "$root" && find usr -type f -print | sort | xargs -d '\n' md5sum >DEBIAN/md5sums)
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$file" >/dev/null
  echo "$file"
}

node scripts/stage-package.mjs "$work/stage"
# Beside the package, too: for tools that compare it with advisories.
cp "$work/stage/made/sbom.cdx.json" "$target/apel-ssm_$package_version.cdx.json"
root=$work/stage/tree
mkdir -p "$root/DEBIAN" "$root/usr/share/doc/apel-ssm"
for script in preinst postinst prerm postrm; do
  install -m 755 "$work/stage/deb/$script" "$root/DEBIAN/$script"
done
install -m 644 "$work/stage/deb.conffiles" "$root/DEBIAN/conffiles"
install -m 644 "$work/stage/deb/copyright" "$root/usr/share/doc/apel-ssm/copyright"
gzip -9n >"$root/usr/share/doc/apel-ssm/changelog.gz" <<END
apel-ssm ($package_version) unstable; urgency=medium

  * Changes of this version: /usr/share/doc/apelssm/CHANGELOG.md

 -- APEL administrators <apel-admins@stfc.ac.uk>  $(date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
END
pack "$root" "$work/stage/deb/control" apel-ssm all "$package_version"

if [ "$with_node" = yes ]; then
  sh scripts/fetch-node.sh "$work/node"
  node_version=$(node -p 'require(process.argv[1]).version' "$work/node/package.json")
  root=$work/node-root
  install -D -m 755 "$work/node/bin/node" "$root/usr/lib/apelssm/node"
  install -D -m 644 "$work/node/LICENSE" "$root/usr/share/doc/apelssm-node/copyright"
  pack "$root" "$work/stage/deb/node-control" apelssm-node "$(dpkg --print-architecture)" "$node_version"
fi
