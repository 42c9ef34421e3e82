// Package hdfsstore keeps checkpoints in HDFS, the file system of Apache Hadoop. Importing it
// registers the URL scheme hdfs:
//
//	import _ "github.com/weirstate/weir/checkpoint/hdfsstore"
//
//	storage, err := checkpoint.OpenStorage(ctx, "hdfs://namenode:8020/flows/checkpoints?user=flows", checkpoint.StorageOptions{})
//
// New opens the same store from Options. Options lists the query keys of URLs; Store says how an
// object is committed and what that guarantees. The package knows one client library,
// github.com/colinmarc/hdfs, and nothing of coordinators, states or formats.
//
// It is a module of its own, so that programs which do not import it do not compile the client.
package hdfsstore
