state=/var/lib/rpm-state/apelssm
if [ -d "$state" ]; then
  systemctl daemon-reload >/dev/null 2>&1
  if [ -e "$state/enabled" ]; then systemctl --quiet enable apelssm.service; fi
  if [ -e "$state/running" ]; then systemctl start apelssm.service; fi
  rm -rf "$state"
fi
exit 0
