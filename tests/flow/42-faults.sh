#!/bin/bash
# A sample of `make fault`: some points of the worker, the pull and two activations, with each of the
# four faults in turn. What must hold then is in tests/fault/laws.sh.
TOP=$(cd "$(dirname "$0")/../.." && pwd)
said=$("$TOP/tests/fault/faults" --step 'worker-2 pull-2 activate-2 activate-3' --every 389 --first 98 2>&1)
status=$?
echo 1..1
case $status in
0) echo 'ok 1 - after a fault all is as if nothing had happened' ;;
3) echo "ok 1 - faults # SKIP ${said##*$'\n'}" ;;
*) echo 'not ok 1 - after a fault all is as if nothing had happened' ;;
esac
echo "# ${said//$'\n'/$'\n# '}"
