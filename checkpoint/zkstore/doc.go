// Package zkstore keeps the list of a job's complete checkpoints in Apache ZooKeeper, and lets one
// coordinator at a time lead the job.
//
// The state and the metadata of checkpoints stay in the checkpoint storage. ZooKeeper holds one
// entry of 52 bytes for each complete checkpoint: its ID, its attempt, and the size and checksum of
// its metadata. The URL of a preset names both; a program imports this package for its side effect:
//
//	import _ "github.com/weirstate/weir/checkpoint/zkstore"
//
//	weir.Open(ctx, "fs+s3://bucket/prefix?completed=zk://host1:2181,host2:2181/weir")
//
// Use it when a second machine must be able to take over a job, and the checkpoint storage has no
// lock of its own. Store explains the protocol.
//
// # URL
//
//	zk://host1:2181,host2,host3/chroot?session=10s&acl=creator&auth-file=/etc/weir/zookeeper&wait=true
//
// The path is the znode under which the jobs are; it is created if it is missing. Ports default to
// 2181. All keys are optional:
//
//	key        value            default               option
//	session    duration, 1s up  10s                   Options.Session
//	wait       true, false      false                 Options.Wait
//	acl        open, creator    creator if there are  Options.ACL
//	                            credentials
//	auth-file  absolute path    none                  Options.Auth
//
// Inside the URL of a preset write each & as %26.
//
// # Credentials
//
// Credentials are never part of a URL. They are one line, user:password, for ZooKeeper's digest
// authentication. The line is read from the file that auth-file names, which must be a regular file
// that only its owner can read, or else from the environment variable WEIR_ZOOKEEPER_AUTH. Digest
// authentication sends the password in clear: use it in a network that you trust.
package zkstore
