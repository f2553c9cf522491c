#!/bin/sh
# Builds apelssm-<version>-1.noarch.rpm: sh scripts/build-rpm.sh [--built] [DIR] (default dist/packages). Needs Node, npm and
# rpmbuild; after `npm ci` no network. No source package: rpm writes the names of temporary folders into those.
set -eu

# shellcheck source=scripts/package-sources.sh
. "$(dirname -- "$0")/package-sources.sh"

if ! command -v rpmbuild >/dev/null 2>&1; then
  echo "rpmbuild is not installed: Debian's package rpm, EL's rpm-build." >&2
  exit 69
fi

name=apelssm-$package_version
node scripts/stage-package.mjs "$work/$name"
# Beside the package, too: for tools that compare it with advisories.
cp "$work/$name/made/sbom.cdx.json" "$target/$name.cdx.json"
rm -rf "$work/$name/made" "$work/$name/deb"*
mkdir -p "$work/SOURCES"
tar --create --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" "$name" |
  gzip -9n >"$work/SOURCES/$name.tar.gz"
# A database of its own: nothing of this machine is looked at.
rpmbuild --quiet -bb --nodeps --define "_topdir $work" --define "_dbpath $work/db" rpm/apelssm.spec >"$work/log" 2>&1 || {
  cat "$work/log" >&2
  exit 1
}
mv "$work"/RPMS/noarch/*.rpm "$target/"
ls "$target/$name"-*.rpm
