# SPDX-License-Identifier: MIT
# Completion of the command weft, for bash.
_weft() {
    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]-} words
    if ((COMP_CWORD == 1)); then
        words='list ps pstree pool top blocked trace dump cancel --help --version'
    elif [[ $cur == -* ]]; then
        words='--json --long --ascii --help'
        [[ $command != top ]] || words+=' --interval'
        [[ $command != trace ]] || words+=' --seconds --start --stop --output'
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == @(-o|--output) ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
    elif [[ $command == list ]]; then
        return
    else
        words=$("${COMP_WORDS[0]}" list 2>/dev/null | awk 'NR > 1 && $1 ~ /^[0-9]+$/ { print $1; print $2 }')
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _weft weft
