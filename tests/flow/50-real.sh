#!/bin/sh
# The short form of make check-real.
exec "$(dirname "$0")/../real/check-real" short
