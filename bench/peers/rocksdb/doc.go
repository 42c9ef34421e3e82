// Package rocksdb drives RocksDB's own C library, many operations in a call, so
// that the bridge from Go is not charged to it. The library is looked for when a
// store is opened, and is not needed to build. It knows nothing of workloads.
package rocksdb
