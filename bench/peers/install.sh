#!/usr/bin/env bash
# Installs the RocksDB library, with apt-get on Debian and Ubuntu, with brew on macOS. Without the
# library, the comparison skips RocksDB.
set -euo pipefail
if command -v apt-get >/dev/null; then
	as_root=
	[[ $(id -u) == 0 ]] || as_root=sudo
	$as_root apt-get update
	$as_root apt-get install --yes librocksdb-dev
elif command -v brew >/dev/null; then
	brew install rocksdb
else
	echo 'install.sh: found neither apt-get nor brew; install librocksdb 7.8 or later by other means' >&2
	exit 1
fi
