#!/bin/sh
# The systemd units are sound and as confined as we say.
exec "$(dirname "$0")/../../scripts/check-units"
