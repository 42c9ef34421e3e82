package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Set is one server of each kind.
type Set struct {
	// S3 is the S3 server.
	S3 *S3
	// HDFS is the pair of HDFS servers.
	HDFS *HDFS
	// ZooKeeper is the ZooKeeper server.
	ZooKeeper *ZooKeeper
}

// Bucket is the bucket that StartSet creates.
const Bucket = "weir"

// Ports are the ports of a set. 0 means any free port.
type Ports struct {
	// S3 is the port of the S3 server.
	S3 int
	// HDFS is the port of the NameNode.
	HDFS int
	// ZooKeeper is the port of ZooKeeper.
	ZooKeeper int
}

// PortsNear returns the ports that users expect if they are free: 7070 for versitygw, 40010 for the
// NameNode and 2181 for ZooKeeper. A port that is taken is replaced by a free one.
func PortsNear() (p Ports, err error) {
	for port, wanted := range map[*int]int{&p.S3: 7070, &p.HDFS: 40010, &p.ZooKeeper: 2181} {
		if *port, err = FreePortNear(wanted); err != nil {
			return p, err
		}
	}
	return p, nil
}

// StartSet starts the servers at the same time, each with a directory of its own below dir. It
// writes two lines for each server: when it starts and when it answers. If one does not start, StartSet stops the others.
func (i Installation) StartSet(ctx context.Context, dir string, ports Ports, progress io.Writer) (*Set, error) {
	s := &Set{}
	var wait sync.WaitGroup
	var mu sync.Mutex // of progress and errs
	var errs error
	begun := time.Now()
	for name, start := range map[string]func(dir string) error{
		"s3":   func(dir string) (err error) { s.S3, err = i.StartS3(ctx, dir, ports.S3); return err },
		"hdfs": func(dir string) (err error) { s.HDFS, err = i.StartHDFS(ctx, dir, ports.HDFS); return err },
		"zookeeper": func(dir string) (err error) {
			s.ZooKeeper, err = i.StartZooKeeper(ctx, dir, ports.ZooKeeper)
			return err
		},
	} {
		note := ""
		if name == "hdfs" {
			note = ", which takes up to 30 s"
		}
		mu.Lock()
		fmt.Fprintf(progress, "starting %s%s\n", name, note)
		mu.Unlock()
		wait.Go(func() {
			home := filepath.Join(dir, name)
			err := os.Mkdir(home, 0o700)
			if err == nil {
				err = start(home)
			}
			mu.Lock()
			defer mu.Unlock()
			errs = errors.Join(errs, err)
			if err == nil {
				fmt.Fprintf(progress, "started %s in %.1f s\n", name, time.Since(begun).Seconds())
			}
		})
	}
	wait.Wait()
	if errs == nil {
		errs = s.S3.CreateBucket(Bucket)
	}
	if errs != nil {
		return nil, errors.Join(errs, s.Stop())
	}
	return s, nil
}

// Stop stops all servers.
func (s *Set) Stop() error {
	var wait sync.WaitGroup
	var errs [3]error
	if s.S3 != nil {
		wait.Go(func() { errs[0] = s.S3.Stop() })
	}
	if s.HDFS != nil {
		wait.Go(func() { errs[1] = s.HDFS.Stop() })
	}
	if s.ZooKeeper != nil {
		wait.Go(func() { errs[2] = s.ZooKeeper.Stop() })
	}
	wait.Wait()
	return errors.Join(errs[:]...)
}

// Names of the environment variables by which tests and commands find a running set.
const (
	envS3        = "WEIR_S3"
	envHDFS      = "WEIR_HDFS"
	envZooKeeper = "WEIR_ZOOKEEPER"
)

// Environment returns the variables with the addresses of the set, and those by which S3 clients find
// their credentials.
func (s *Set) Environment() []string {
	return append(S3Environment(),
		envS3+"="+s.S3.Endpoint,
		envHDFS+"="+s.HDFS.Address,
		envZooKeeper+"="+s.ZooKeeper.Address,
	)
}

// S3Environment returns the variables by which S3 clients find credentials and region.
func S3Environment() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + S3AccessKey, "AWS_SECRET_ACCESS_KEY=" + S3SecretKey, "AWS_REGION=" + S3Region}
}

// Addresses are the addresses of a set that another program has started.
type Addresses struct {
	// S3 is the URL of the S3 server.
	S3 string
	// HDFS is the host and port of the NameNode.
	HDFS string
	// ZooKeeper is the host and port of ZooKeeper.
	ZooKeeper string
}

// ErrNoServers is returned when the environment has no addresses of servers.
var ErrNoServers = errors.New("no servers: start the tests with integration/run, which installs and starts them")

// FromEnvironment returns the addresses from the environment, as Set.Environment has written
// them.
func FromEnvironment() (Addresses, error) {
	a := Addresses{S3: os.Getenv(envS3), HDFS: os.Getenv(envHDFS), ZooKeeper: os.Getenv(envZooKeeper)}
	if a.S3 == "" || a.HDFS == "" || a.ZooKeeper == "" {
		return a, ErrNoServers
	}
	return a, nil
}
