package s3store_test

import (
	"context"
	"fmt"
	"log"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/s3store"
)

// A program opens a storage by URL. The import of the package has registered the scheme.
func Example() {
	ctx := context.Background()
	storage, err := checkpoint.OpenStorage(ctx, "s3://bucket/flights?region=eu-central-1", checkpoint.StorageOptions{})
	if err != nil {
		log.Fatal(err)
	}
	coordinator, err := checkpoint.NewCoordinator(ctx, checkpoint.Options{Job: "flights", Storage: storage})
	if err != nil {
		log.Fatal(err)
	}
	defer coordinator.Close()
}

// A program with options that are not in a URL calls Open.
func ExampleOpen() {
	ctx := context.Background()
	objects, err := s3store.Open(ctx, "bucket", "flights", s3store.Options{
		Endpoint: "http://127.0.0.1:9000", PathStyle: true, Checksum: s3store.ChecksumWhenRequired,
	})
	if err != nil {
		log.Fatal(err)
	}
	files, err := objects.List(ctx, "job/completed/")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(files), "complete checkpoints")
}
