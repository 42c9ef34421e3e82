// Package suite holds the benchmarks of keyed state: the operations of Flink's
// state benchmarks and those that they leave out, and what snapshots cost. Rows
// are in benchstat's format; docs/performance.md explains and shows them.
//
//	go test -bench State ./bench/suite        # operations
//	go test -bench Snapshot ./bench/suite     # pauses, throughput, restore, memory
package suite
