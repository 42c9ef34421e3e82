// Package rocksdb calls the C library of RocksDB. One call from Go to C has many operations, so
// that the cost of the call does not distort measurements. The library is loaded when a store is
// opened; it is not needed to build the package.
package rocksdb
