systemctl daemon-reload >/dev/null 2>&1
if [ "$1" -ge 1 ]; then
  systemctl try-restart apelssm.service ssmsend-watch.service >/dev/null 2>&1
fi
exit 0
