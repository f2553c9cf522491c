/** Completion for zsh: as for bash, with what each word means beside it. */
import type { Line, Word } from './lines.js'

export function zshCompletion(lines: readonly Line[]): string {
  const programs = lines.filter(({ path }) => !path.includes(' ')).map(({ path }) => path)
  const steps = lines.filter(({ path }) => path.includes(' ')).map(({ path }) => `'${path}'`)
  return `#compdef ${programs.join(' ')}
# Completion for zsh: put it into a folder of $fpath as _ssmctl, or source it after compinit.
_ssm() {
  local before=\${words[CURRENT-1]} where=\${words[1]:t} word
  local -a verbs flags valued choices
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$where $word" in
      ${steps.join(' | ')}) where="$where $word" ;;
    esac
  done
  case "$where" in
${lines.map(caseOf).join('\n')}
  esac
  if (( $#choices )); then
    _describe value choices
  elif (( \${valued[(Ie)$before]} )); then
    _files
  elif [[ $PREFIX == -* ]]; then
    _describe -o option flags
  elif (( $#verbs )); then
    _describe verb verbs
  else
    _files
  fi
}
if [ "\${funcstack[1]}" = _ssmctl ] || [ "\${funcstack[1]}" = _ssm ]; then
  _ssm "$@"
else
  compdef _ssm ${programs.join(' ')}
fi
`
}

function caseOf({ path, verbs, flags, valued, choices }: Line): string {
  const described = (list: readonly Word[]): string => list.map(({ word, about }) => `'${word}:${about}'`).join(' ')
  const chosen = Object.entries(choices).map(
    ([flag, list]) => `      [[ $before == ${flag} ]] && choices=(${list.map((word) => `'${word}'`).join(' ')})`,
  )
  return [
    `    '${path}')`,
    `      verbs=(${described(verbs)})`,
    `      flags=(${described(flags)})`,
    `      valued=(${valued.join(' ')})`,
    ...chosen,
    '      ;;',
  ].join('\n')
}
