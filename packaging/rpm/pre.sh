@ACCOUNT@
# The Python package's scripts stop and disable its service when it is removed, and so also when this one takes its place:
# note how the service was. posttrans, which runs after them, puts that back.
if [ "$1" -eq 1 ] && [ -e /etc/rc.d/init.d/apel-ssm ]; then
  state=/var/lib/rpm-state/apelssm
  mkdir -p "$state"
  if systemctl is-enabled --quiet apel-ssm.service 2>/dev/null; then : >"$state/enabled"; fi
  pid=$(cat /run/apel/ssmreceive.pid 2>/dev/null)
  if systemctl is-active --quiet apel-ssm.service 2>/dev/null || { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }; then
    : >"$state/running"
  fi
fi
exit 0
