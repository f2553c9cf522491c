@DIRECTORIES@
systemctl daemon-reload >/dev/null 2>&1
exit 0
