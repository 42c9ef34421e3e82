#!/usr/bin/env bash
# Installs RocksDB's library, which the comparison loads if it is there: on Debian
# and Ubuntu with apt-get, on macOS with brew.
set -euo pipefail
if command -v apt-get >/dev/null; then
	as_root=
	[[ $(id -u) == 0 ]] || as_root=sudo
	$as_root apt-get update
	$as_root apt-get install --yes librocksdb-dev
elif command -v brew >/dev/null; then
	brew install rocksdb
else
	echo 'install.sh: neither apt-get nor brew here; install librocksdb 7.8 or later by other means' >&2
	exit 1
fi
