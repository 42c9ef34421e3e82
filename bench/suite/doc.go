// Package suite has the benchmarks of keyed state: the operations of Flink's state benchmarks,
// further operations, and snapshots. docs/performance.md explains the rows, which are in
// benchstat's format, and has results.
//
// With WEIR_TESTS unset, the snapshot benchmarks use small states. The results in
// docs/performance.md are with WEIR_TESTS=campaign.
//
//	go test -bench State ./bench/suite        # operations
//	go test -bench Snapshot ./bench/suite     # pauses, throughput, restore, memory
package suite
