// Package s3store keeps checkpoints in Amazon S3 and in servers that speak its protocol.
//
// Import the package for its side effect, and checkpoints go to URLs with the scheme s3:
//
//	import _ "github.com/weirstate/weir/checkpoint/s3store"
//
//	weir.Open(ctx, "lsm+s3://bucket/prefix?region=eu-central-1&dir=/var/lib/job")
//	checkpoint.OpenStorage(ctx, "s3://bucket/prefix?endpoint=http://127.0.0.1:9000&path-style=true", options)
//
// Programs that have a client or a configuration of their own call Open. Everything else about the
// store is in the documentation of Store; the keys of the query are:
//
//	region           region of the bucket
//	endpoint         URL of an S3-compatible server; a secret in it is refused
//	path-style       true: the bucket is in the path and not in the host name
//	checksum         when-supported, when-required, crc32, crc32c, crc64nvme or sha256
//	single-writer    true: the server need not support If-None-Match
//	entropy          1 or 2: data objects get a hash in front of their names
//	part             size of a part of a multipart upload, from 5MiB
//	parts-in-flight  parts of one object that are sent or read at the same time
//	retries          repetitions of a request that failed
//	stall-timeout    time after which a connection without progress is closed, such as 60s
//	open-timeout     time for the whole of Open, such as 30s
//
// Credentials are never in the URL. They come from the default chain of the AWS SDK: environment,
// shared configuration files, web identity, container and instance roles.
package s3store
