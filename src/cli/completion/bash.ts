/** Completion for bash: one function, that looks where in the line we are. Where it knows nothing, files are offered. */
import type { Line } from './lines.js'

export function bashCompletion(lines: readonly Line[]): string {
  const programs = lines.filter(({ path }) => !path.includes(' ')).map(({ path }) => path)
  const steps = lines.filter(({ path }) => path.includes(' ')).map(({ path }) => `'${path}'`)
  return `# Completion of ${programs.join(', ')} for bash: source it, or put it into bash-completion's folder.
_ssm() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} path=\${COMP_WORDS[0]##*/}
  local verbs='' flags='' valued='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
      ${steps.join(' | ')}) path="$path $word" ;;
    esac
  done
  COMPREPLY=()
  case "$path" in
${lines.map(caseOf).join('\n')}
  esac
  case " $valued " in *" $before "*) return ;; esac
  case "$current" in
    -*) mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$verbs" -- "$current") ;;
  esac
}
complete -o default -F _ssm ${programs.join(' ')}
`
}

function caseOf({ path, verbs, flags, valued, choices }: Line): string {
  const words = (list: readonly { readonly word: string }[]): string => list.map(({ word }) => word).join(' ')
  const chosen = Object.entries(choices).map(
    ([flag, list]) =>
      `      if [ "$before" = ${flag} ]; then mapfile -t COMPREPLY < <(compgen -W '${list.join(' ')}' -- "$current"); return; fi`,
  )
  return [
    `    '${path}')`,
    `      verbs='${words(verbs)}' flags='${words(flags)}' valued='${valued.join(' ')}'`,
    ...chosen,
    '      ;;',
  ].join('\n')
}
