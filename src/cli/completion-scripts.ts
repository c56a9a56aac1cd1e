/** What a shell runs to complete a command line: it asks the program itself, which says nothing when it knows nothing. */

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

/*
 * The program answers with a line for each candidate, "word<TAB>what it is", and with a first line ":files" where files of this machine may stand.
 * For bash, which breaks words at "=" and ":" and replaces only what stands behind them, the whole line is sent, and the answers are what replaces.
 */
const scripts: Readonly<Record<Shell, string>> = {
  bash: `# bash completion of fairlead: source <(fairlead completion bash)
_fairlead() {
  local IFS=$'\\n' program=\${COMP_WORDS[0]} line
  type -P "$program" >/dev/null || program=fairlead
  COMPREPLY=()
  while read -r line; do
    case $line in
      :files) compopt -o default 2>/dev/null ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <("$program" __complete line "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null </dev/null)
  [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *[:=] ]] && compopt -o nospace 2>/dev/null
  return 0
}
complete -F _fairlead fairlead
`,
  zsh: `#compdef fairlead
# zsh completion of fairlead: source <(fairlead completion zsh), or this file as _fairlead in $fpath
_fairlead() {
  local line files=
  local -a found open
  while IFS= read -r line; do
    if [[ $line == :files ]]; then files=1
    elif [[ \${line%%$'\\t'*} == *: ]]; then open+=("\${line%%$'\\t'*}")
    else found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done < <("\${(Q)words[1]}" __complete words -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null </dev/null)
  (( \${#open} )) && compadd -S '' -a open
  (( \${#found} )) && _describe fairlead found
  [[ -n $files ]] && _files
}
if [[ \${funcstack[1]} == _fairlead ]]; then _fairlead "$@"; else compdef _fairlead fairlead; fi
`,
  fish: `# fish completion of fairlead: fairlead completion fish | source
function __fairlead_complete
  set -l tokens (commandline -opc) (commandline -ct)
  for line in ($tokens[1] __complete words -- $tokens[2..-1] 2>/dev/null </dev/null)
    if test "$line" = ":files"
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c fairlead -f -a '(__fairlead_complete)'
`,
};

export function scriptFor(shell: Shell): string {
  return scripts[shell];
}
