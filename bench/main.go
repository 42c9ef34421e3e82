// Bench runs a stream job over three million flights on each backend, without
// failures and with some, and compares the results. See -h.
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
	// The signals stay caught to the end: an impatient second one must not
	// come in the way of cleaning up.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A reader of the table that goes away makes writing it an error.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(command.Run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
