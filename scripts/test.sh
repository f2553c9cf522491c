#!/bin/sh
# Everything that can be checked on this machine: sh scripts/test.sh [--install] [TEST FOLDER|FILE …]
#
# Needs Node.js. Tests against other programs (RabbitMQ, ActiveMQ, python-dirq, OpenSSL, …) are skipped, loudly, when those are
# missing. With --install, or with CI=true, the missing Debian packages are installed first, in a way that starts no
# service, and then a skip is a failure.
set -eu

PACKAGES='rabbitmq-server activemq python3 python3-daemon python3-dirq python3-openssl python3-requests
  openssl strace faketime shellcheck rpm groff-base git systemd chromium zsh logrotate'
LOCK_WAIT=300 # seconds to wait for another apt or dpkg

# shellcheck source=scripts/node-check.sh
. "$(dirname -- "$0")/node-check.sh"

install=no
[ "${CI:-}" = true ] && install=yes
if [ "${1:-}" = --install ]; then
  install=yes
  shift
fi
case "${1:-}" in
-*)
  echo "usage: sh scripts/test.sh [--install] [TEST FOLDER|FILE …]" >&2
  exit 64
  ;;
esac

section() { printf '\n== %s\n' "$*"; }

missing_packages() {
  for package in $PACKAGES; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' ok installed$' || printf '%s ' "$package"
  done
}

if command -v dpkg-query >/dev/null 2>&1; then missing=$(missing_packages); else missing=$PACKAGES; fi

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Debian asks this program before it starts a service; 101 means: do not.
policy=/usr/sbin/policy-rc.d
aside=$policy.before-ssm-test
mark='put here by scripts/test.sh while it installs; remove it when no such run is under way'

restore_policy() {
  as_root rm -f "$policy"
  if as_root test -e "$aside"; then as_root mv "$aside" "$policy"; fi
}

forbid_services() {
  # What a run that was killed left behind is not the machine's own policy.
  if as_root grep -qs "$mark" "$policy"; then as_root rm -f "$policy"; fi
  if as_root test -e "$policy"; then as_root mv "$policy" "$aside"; fi
  trap 'restore_policy' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

apt() {
  as_root env LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get -q -y -o "DPkg::Lock::Timeout=$LOCK_WAIT" \
    -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0 "$@"
}

# The lists have a lock of their own, for which DPkg::Lock::Timeout does not wait.
update_lists() {
  waited=0
  until apt update >"$log" 2>&1; do
    if ! grep -q 'Could not get lock' "$log" || [ "$waited" -ge "$LOCK_WAIT" ]; then
      return 1
    fi
    [ "$waited" -gt 0 ] || echo "waiting for another apt to finish …"
    sleep 5
    waited=$((waited + 5))
  done
}

install_packages() {
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "There is no apt-get here: install the equivalents of: $missing" >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null 2>&1; then
    echo "Installing needs root or sudo. As root: apt-get install $missing" >&2
    return 1
  fi
  log=$(mktemp)
  forbid_services
  update_lists || echo "The package lists could not be updated; trying with the old ones." >&2
  failed=no
  # shellcheck disable=SC2086 # a list of names
  apt install $missing >"$log" 2>&1 || failed=yes
  restore_policy
  trap - EXIT INT TERM HUP
  if [ "$failed" = yes ]; then
    tail -n 40 "$log" >&2
    echo "Installing failed: $missing" >&2
  fi
  rm -f "$log"
  [ "$failed" = no ]
}

section "Node.js $(node -v), npm $(npm -v)"
if [ -n "$missing" ] && [ "$install" = yes ]; then
  section "Installing Debian packages (no service is started): $missing"
  install_packages || exit 69
elif [ -n "$missing" ]; then
  section "NOT INSTALLED: $missing"
  echo "Tests that need them are skipped. To install them and skip nothing: sh scripts/test.sh --install"
fi
# After an installation nothing may be skipped.
[ "$install" = no ] || export CI=true

# `npm ci` would empty what a link leads to.
if [ -L node_modules ]; then
  section "npm packages: node_modules is a link, left as it is"
else
  section "npm packages"
  npm ci --loglevel=error --no-audit --no-fund --ignore-scripts >/dev/null
fi
section "Lint"
lint=good
npm run --silent lint || lint=bad
section "Build"
npm run --silent build
section "Tests"
node scripts/run-tests.mjs "$@"
if [ "$lint" = bad ]; then
  echo "The tests passed, but lint did not: see above." >&2
  exit 1
fi
