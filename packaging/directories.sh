# Part of the packages' scripts. A directory that is missing is made. One that is root's, as the Python package left it, is
# handed over; one that a site gave to another account stays as it is, and so does everything in it.
# Logs that root wrote go with their directory: the units could not write them.
# Nothing here follows a link: the account owns the parents of some of these.
make_directory() { # PATH MODE OWNER GROUP
  above=${1%/*}
  case $(stat -c %U "$above") in
  root | "$3") ;;
  *) return 0 ;;
  esac
  if mkdir -m "$2" "$1" 2>/dev/null; then
    chown -h "$3:$4" "$1"
  elif [ "$(stat -c %U "$above")" = root ] && [ ! -L "$1" ] && [ "$(stat -c %U "$1")" = root ]; then
    # Before it is another's, who could put links there.
    for log in "$1"/*.log; do
      if [ -f "$log" ] && [ ! -L "$log" ] && [ "$(stat -c %U "$log")" = root ]; then chown -h "$3:$4" "$log"; fi
    done
    chown -h "$3:$4" "$1"
    chmod "$2" "$1"
  fi
}
