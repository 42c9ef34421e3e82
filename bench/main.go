// Bench runs a stream job over up to three million flights on each backend, without failures and
// with two failures, and compares the results. See -h.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/weirstate/weir/internal/bench/command"
	"github.com/weirstate/weir/internal/bench/harness"
)

func main() {
	harness.ServeIfChild()
	// The signals stay caught until the end: a second signal must not interrupt the cleanup.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// If the reader of a pipe ends, writes must return an error instead of killing the process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(command.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
