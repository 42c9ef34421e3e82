module github.com/weirstate/weir/bench/data
