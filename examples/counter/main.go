// Command counter is a web service that counts: POST /name adds one, GET /name reads. The
// counts are divided among shards. A checkpoint is taken every second. After kill -9 the service
// continues from the newest one, with the same number of shards or another.
//
//	go run ./examples/counter -shards 2
//	curl -X POST localhost:8080/JFK
//
// Copy host.go for a service that has shards and no stream job.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"

	"github.com/weirstate/weir"
	"github.com/weirstate/weir/state"
)

func main() {
	address := flag.String("listen", "localhost:8080", "address to listen on")
	url := flag.String("state", "fs+file:///tmp/weir-shards", "URL of weir.Open: kind of backend and directory for checkpoints")
	n := flag.Int("shards", 2, "number of shards, at most 128; may change from start to start")
	flag.Parse()
	check(checkArguments(*n, flag.Args()))
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	preset := must(weir.Open(ctx, *url))
	h := start(ctx, preset, *n)

	listener := must(net.Listen("tcp", *address))
	log.Printf("%d shards listen on %s", *n, listener.Addr())
	server := &http.Server{Handler: h}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()
	check(server.Shutdown(context.Background()))
	h.stop()
	check(preset.Close())
}

// checkArguments returns an error for a number of shards out of range, and for arguments that
// are no flags.
func checkArguments(shards int, rest []string) error {
	if shards < 1 || shards > keyGroups {
		return fmt.Errorf("-shards is %d, want 1 to %d", shards, keyGroups)
	}
	if len(rest) > 0 {
		return fmt.Errorf("argument %q is no flag: counter takes only flags", rest[0])
	}
	return nil
}

// ServeHTTP adds one to the count of the path (POST), or reads the count (GET).
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var n int64
	var err error
	h.do(r.URL.Path, func(count state.ValueState[int64]) {
		n, _, err = count.Get()
		check(err)
		if r.Method == http.MethodPost {
			n++
			check(count.Set(n))
		}
	})
	fmt.Fprintln(w, n)
}

// must returns v, and ends the program after an error.
func must[T any](v T, err error) T {
	check(err)
	return v
}

// check ends the program after an error.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
