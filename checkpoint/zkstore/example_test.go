package zkstore_test

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/checkpoint/zkstore"
)

// A storage whose jobs are led through ZooKeeper. Opening a job connects; nothing connects before that.
func Example() {
	completed, err := zkstore.NewOpener(zkstore.Options{
		Servers: []string{"zk1.example.com", "zk2.example.com", "zk3.example.com"},
		Chroot:  "/weir",
		Session: 6 * time.Second,
		Wait:    true, // a standby
		Auth:    zkstore.AuthFile("/etc/weir/zookeeper"),
		Logger:  slog.Default(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	storage, err := checkpoint.OpenStorage(context.Background(), "file:///tmp/weir-example",
		checkpoint.StorageOptions{Completed: completed})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(storage != nil)
	// Output: true
}

// The same by URL. The URL of a preset has the second URL as the value of the key completed.
func Example_url() {
	_, err := checkpoint.OpenCompleted("zk://zk1.example.com,zk2.example.com:2182/weir?session=6s&wait=true")
	fmt.Println(err)
	_, err = checkpoint.OpenCompleted("zk://user:password@zk1.example.com/weir")
	fmt.Println(err)
	// Output:
	// <nil>
	// completed store: the URL has a user or password, which are not allowed: unusable checkpoint URL
}
