code=75 # asked to leave before anything began
if [ $asked -eq 0 ]; then
    ${HPCDVC_LAUNCHER:-"$launcher"} $count "$command" "$@" &
    ranks=$!
    # The signal comes to this shell, which passes it on to the launcher, and that to all ranks; `wait` ends early then.
    trap 'asked=1; kill -USR1 $ranks' USR1
    wait $ranks
    code=$?
    while [ $code -gt 128 ] && kill -0 $ranks 2>/dev/null; do
        wait $ranks
        code=$?
    done
fi
echo "$(date '+%F %T') exit code $code"
