// Package servers installs and starts the servers of the integration tests: versitygw for S3, a
// NameNode and a DataNode for HDFS, and ZooKeeper. Each listens on loopback, keeps its files in a directory of
// its own, and can be stopped, killed, paused and started again by a test. The package knows no
// checkpoint and no client library.
package servers
