module github.com/weirstate/weir/state/codec/protocodec

go 1.25.0

require (
	github.com/stretchr/testify v1.12.1
	github.com/weirstate/weir v0.0.0
	google.golang.org/protobuf v1.36.12
)

require go.yaml.in/yaml/v3 v3.0.5 // indirect

replace github.com/weirstate/weir => ../../..
