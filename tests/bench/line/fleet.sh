# shellcheck shell=sh
section_fleet() { return 1; }
