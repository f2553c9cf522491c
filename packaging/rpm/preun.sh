if [ "$1" -eq 0 ]; then
  systemctl --no-reload disable --now apelssm.service ssmsend-watch.service ssmsend.timer >/dev/null 2>&1
  # The timer may have started it, and it may have failed: systemd would show it for ever.
  systemctl stop ssmsend.service >/dev/null 2>&1
  systemctl reset-failed apelssm.service ssmsend-watch.service ssmsend.service >/dev/null 2>&1
fi
exit 0
