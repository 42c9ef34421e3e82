# The commands that developers and CI share. `make` lists them.
# They need Go 1.26 or later, a C compiler for `race`, and the network for modules and tools
# that are not in the module cache yet.

GOLANGCI_LINT = github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@v1.9.0

# Variables that callers may set:
FUZZTIME ?= 10s
FUZZ ?= .
PKG ?= ./...
BENCH ?= State

.DEFAULT_GOAL := help
.PHONY: help build test race long dense fuzz bench words gofmt lint vuln platforms test-386 modules integration nightly ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' Makefile

build: ## build every package
	go build ./...

test: ## run the quick tests, about two minutes
	go test $(PKG)

race: ## run the quick tests under the race detector
	go test -race -timeout 20m $(PKG)

long: ## run the larger samples of crashes, faults and random programs (WEIR_TESTS=campaign)
	WEIR_TESTS=campaign go test -timeout 20m $$(.ci/campaigns)

dense: ## run every case, for hours: make dense PKG=./lsm (WEIR_TESTS=dense)
	WEIR_TESTS=dense go test -timeout 0 $(PKG)

fuzz: ## run every fuzz target for FUZZTIME (10s): make fuzz FUZZTIME=5m FUZZ=Wal; .ci/fuzz -list lists them
	.ci/fuzz $(FUZZTIME) '$(FUZZ)'

bench: ## run the benchmarks of the suite whose names match BENCH (State)
	go test ./bench/suite -run '^$$' -bench '$(BENCH)'

words: ## check the language of comments, errors and pages, and the comments of exported names
	go test ./internal/arch -run Words

gofmt: ## list the files that gofmt would change
	.ci/gofmt

lint: words gofmt ## run words, gofmt and golangci-lint (.golangci.yml), six minutes at first
	go run $(GOLANGCI_LINT) run --allow-parallel-runners ./...

vuln: ## check dependencies and the Go release for known vulnerabilities
	.ci/vuln $(GOVULNCHECK)

platforms: ## build and vet for linux/386, windows and darwin
	CGO_ENABLED=0 GOOS=linux GOARCH=386 go vet ./...
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go vet ./...
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go vet ./...

test-386: ## run the quick tests as a 32-bit program
	CGO_ENABLED=0 GOARCH=386 go test ./...

modules: ## vet and test the nested modules
	.ci/modules

integration: ## test against real servers of S3, HDFS and ZooKeeper, which it installs first
	go vet -C integration ./...
	integration/run

nightly: ## run each fuzz target for 10 minutes and every case of every test: most of a day
	$(MAKE) fuzz FUZZTIME=10m
	$(MAKE) dense PKG="$$(.ci/campaigns | tr '\n' ' ')"

ci: ## run everything that must pass before a change goes in
	.ci/run
