module github.com/weirstate/weir/integration

go 1.25.0

replace github.com/weirstate/weir => ..

require (
	github.com/stretchr/testify v1.12.1
	github.com/weirstate/weir v0.0.0-00010101000000-000000000000
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/google/btree v1.1.3 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
