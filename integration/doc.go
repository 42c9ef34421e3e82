// Package integration has the tests of the stores for S3, HDFS and ZooKeeper against real servers. The
// script integration/run installs and starts the servers, runs the tests and stops the servers.
package integration
