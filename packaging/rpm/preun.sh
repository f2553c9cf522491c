if [ "$1" -eq 0 ]; then
  systemctl --no-reload disable --now apelssm.service ssmsend-watch.service ssmsend.timer >/dev/null 2>&1
fi
exit 0
