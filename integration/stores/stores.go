// Package stores registers the URL schemes of all stores with a module of their own. Import it for its
// side effect. It knows nothing but the stores.
package stores

import (
	_ "github.com/weirstate/weir/checkpoint/hdfsstore" // scheme hdfs
	_ "github.com/weirstate/weir/checkpoint/s3store"   // scheme s3
	_ "github.com/weirstate/weir/checkpoint/zkstore"   // scheme zk, for completed stores
)
