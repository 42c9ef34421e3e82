// Launch installs and starts the servers of the integration tests, and runs a command against
// them. The script integration/run builds and starts it in the directory integration.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/weirstate/weir/integration/servers"
)

const usage = `integration/run installs and starts an S3 server (versitygw), a NameNode and a DataNode (Apache
Hadoop) and ZooKeeper on loopback, runs the integration tests against them, and stops them.

  integration/run                  all tests
  integration/run test [args]      go test with these arguments, for example: test -v -run Conformance
  integration/run serve            keep the servers until Ctrl-C, and print the URLs to try
  integration/run figures [args]   measure uploads and downloads, and print a table
  integration/run install          only install

It needs Go, a JDK (17) and Maven. It builds versitygw and copies the jars of Hadoop into
weir-integration in $XDG_CACHE_HOME (or ~/.cache), which takes about two minutes on the first run. ZooKeeper is the package
of Debian or Ubuntu; as root, integration/run installs it. All files of the servers are in a temporary
directory, which is removed at the end and on Ctrl-C.
`

func main() {
	// The signals stay caught until the end: a second signal must not interrupt the cleanup.
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := launch(ctx, os.Args[1:])
	var ended *exec.ExitError
	switch {
	case err == nil:
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "integration/run: interrupted")
		os.Exit(130)
	case errors.As(err, &ended):
		os.Exit(1) // the command has said why
	default:
		fmt.Fprintln(os.Stderr, "integration/run:", err)
		os.Exit(1)
	}
}

// launch runs the mode that the arguments name.
func launch(ctx context.Context, args []string) error {
	mode := "test"
	if len(args) > 0 {
		mode, args = args[0], args[1:]
	} else {
		args = []string{"-count=1", "-timeout=20m", "-parallel=6", "./..."}
	}
	var run func(context.Context, *servers.Set) error
	ports := servers.Ports{}
	switch mode {
	case "-h", "-help", "--help", "help":
		fmt.Print(usage)
		return nil
	case "install":
		if len(args) > 0 {
			return fmt.Errorf("%s takes no arguments, it has %d", mode, len(args))
		}
		_, err := servers.Install(ctx, os.Stderr)
		return err
	case "test":
		run = func(ctx context.Context, s *servers.Set) error {
			return goCommand(ctx, s, append([]string{"test"}, args...))
		}
	case "figures":
		run = func(ctx context.Context, s *servers.Set) error {
			return goCommand(ctx, s, append([]string{"run", "./figures"}, args...))
		}
	case "serve":
		if len(args) > 0 {
			return fmt.Errorf("%s takes no arguments, it has %d", mode, len(args))
		}
		run = serve
		var err error
		if ports, err = servers.PortsNear(); err != nil {
			return err
		}
	default:
		return fmt.Errorf("unknown mode %q: want test, serve, figures or install; see --help", mode)
	}
	return withServers(ctx, ports, run)
}

// withServers starts the servers in a temporary directory, calls run, stops the servers and removes the
// directory.
func withServers(ctx context.Context, ports servers.Ports, run func(context.Context, *servers.Set) error) (err error) {
	installation, err := servers.Install(ctx, os.Stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "weir-integration-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// A test that is killed cannot remove its temporary files. They are in this directory.
	if err := os.Mkdir(dir+"/tmp", 0o700); err != nil {
		return err
	}
	set, err := installation.StartSet(ctx, dir, ports, os.Stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Stop()) }()
	if err := os.Setenv("TMPDIR", dir+"/tmp"); err != nil {
		return err
	}
	return run(ctx, set)
}

// goCommand runs the go command with the addresses of the servers in its environment. On a
// signal it ends the command and its children.
func goCommand(ctx context.Context, set *servers.Set, args []string) error {
	c := exec.CommandContext(ctx, "go", args...)
	c.Env = append(os.Environ(), set.Environment()...)
	c.Stdin, c.Stdout, c.Stderr = nil, os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) }
	c.WaitDelay = 10 * time.Second
	err := c.Run()
	_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // fails if no process of the group is left
	return err
}

// serve prints commands to paste and waits for a signal.
func serve(ctx context.Context, set *servers.Set) error {
	fmt.Println("\nPaste into another shell, in the directory of the repository:")
	fmt.Println()
	for _, variable := range set.Environment() {
		fmt.Println("  export", variable)
	}
	fmt.Println()
	s3 := "s3://" + servers.Bucket + "/flights?path-style=true&endpoint=" + set.S3.Endpoint
	hdfs := "hdfs://" + set.HDFS.Address + "/flights"
	zookeeper := "completed=zk://" + set.ZooKeeper.Address + "/weir?session=4s%26wait=true"
	for _, url := range []string{"fs+" + s3, "lsm+" + s3, "fs+" + hdfs, "lsm+" + hdfs, "lsm+" + s3 + "&" + zookeeper,
		"fs+file:///tmp/flights?" + zookeeper} {
		fmt.Printf("  go run -C integration ./flights '%s'\n", url)
	}
	fmt.Println("\nCtrl-C stops the servers.")
	<-ctx.Done()
	return nil
}
