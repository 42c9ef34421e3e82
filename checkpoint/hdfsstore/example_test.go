package hdfsstore_test

import (
	"context"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/hdfsstore"
)

// A URL opens a store once the package is imported, also for its side effect only. The port is
// 8020 by default, and a highly available pair is named with a comma.
func Example() {
	ctx := context.Background()
	storage, err := checkpoint.OpenStorage(ctx,
		"hdfs://namenode1:8020,namenode2:8020/flows/checkpoints?user=flows&replication=3", checkpoint.StorageOptions{})
	if err != nil {
		return // for example: no NameNode answers
	}
	_ = storage // checkpoint.Options.Storage of a coordinator
}

// Options can say what a URL says, and more clearly where Kerberos is concerned.
func ExampleNew() {
	ctx := context.Background()
	store, err := hdfsstore.New(ctx, hdfsstore.Options{
		NameNodes:  []string{"cluster"}, // a nameservice of the configuration
		HadoopConf: "/etc/hadoop/conf",
		Path:       "/flows/checkpoints",
		Kerberos:   hdfsstore.Kerberos{Principal: "flows@EXAMPLE.COM", Keytab: "/etc/security/flows.keytab"},
	})
	if err != nil {
		return
	}
	defer store.Close()
	storage, err := checkpoint.NewStorage(store, checkpoint.StorageOptions{})
	if err != nil {
		return
	}
	_ = storage
}
