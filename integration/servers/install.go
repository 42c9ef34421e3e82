package servers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/weirstate/weir/integration/hadoop"
)

// Installation says where the programs of the servers are.
type Installation struct {
	// Versitygw is the path of the S3 server.
	Versitygw string
	// HadoopJars is the directory with the jars of HDFS.
	HadoopJars string
	// ZooKeeperJar is the path of the jar of ZooKeeper, which refers to those that it needs.
	ZooKeeperJar string
}

const (
	versitygwVersion = "v1.8.0"
	hadoopVersion    = "3.4.1"
	debianZooKeeper  = "/usr/share/java/zookeeper.jar"
)

// CacheDir returns the directory of the installation: weir-integration in $XDG_CACHE_HOME, or in
// ~/.cache.
func CacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "weir-integration"), nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".cache", "weir-integration"), err
}

// Install installs what is missing into the cache directory, and Debian's package of ZooKeeper. It
// writes a line for each step that takes time. It needs Go, a JDK, Maven and the network.
func Install(ctx context.Context, progress io.Writer) (i Installation, err error) {
	cache, err := CacheDir()
	if err != nil {
		return i, err
	}
	if _, err := exec.LookPath("java"); err != nil {
		return i, errors.New("java is missing: install a JDK 17, on Debian: apt-get install openjdk-17-jdk-headless")
	}
	in := installer{ctx, cache, progress}
	if i.Versitygw, err = in.versitygw(); err != nil {
		return i, err
	}
	if i.HadoopJars, err = in.hadoop(); err != nil {
		return i, err
	}
	i.ZooKeeperJar, err = in.zookeeper()
	return i, err
}

// installer installs the servers below the cache directory.
type installer struct {
	ctx      context.Context
	cache    string
	progress io.Writer
}

// versitygw builds the S3 server with the go command.
func (in installer) versitygw() (string, error) {
	dir, err := in.once("versitygw-"+versitygwVersion, func(dir string) error {
		install := in.command("go", "install", "github.com/versity/versitygw/cmd/versitygw@"+versitygwVersion)
		install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
		install.Dir = dir // outside any module
		return run(install)
	})
	return filepath.Join(dir, "versitygw"), err
}

// hadoop lets Maven copy the jars of HDFS.
func (in installer) hadoop() (string, error) {
	return in.once("hadoop-"+hadoopVersion, func(dir string) error {
		if _, err := exec.LookPath("mvn"); err != nil {
			return errors.New("mvn is missing: install Maven, on Debian: apt-get install maven")
		}
		pom := filepath.Join(dir, "pom.xml")
		if err := os.WriteFile(pom, []byte(hadoop.POM), 0o600); err != nil {
			return err
		}
		return run(in.command("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DoutputDirectory="+dir))
	})
}

// zookeeper installs Debian's package if it is missing.
func (in installer) zookeeper() (string, error) {
	if _, err := os.Stat(debianZooKeeper); err == nil {
		return debianZooKeeper, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return "", fmt.Errorf("%s is missing: install the package zookeeper of Debian or Ubuntu, as root: apt-get install zookeeper", debianZooKeeper)
	}
	begun := in.begin("zookeeper (apt-get install)")
	install := func() error {
		return run(in.command("apt-get", "install", "-y", "-q", "--no-install-recommends", "zookeeper"))
	}
	err := install()
	if err != nil { // the list of packages may be missing or old
		if err = run(in.command("apt-get", "update", "-q")); err == nil {
			err = install()
		}
	}
	if err != nil {
		return "", err
	}
	in.done(begun)
	_, err = os.Stat(debianZooKeeper)
	return debianZooKeeper, err
}

// once returns the directory name below the cache directory. If it is missing, once calls fill
// with an empty directory, which then becomes the directory name. Two programs may install at the same time.
func (in installer) once(name string, fill func(dir string) error) (string, error) {
	dir := filepath.Join(in.cache, name)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	begun := in.begin(name)
	if err := os.MkdirAll(in.cache, 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(in.cache, "part-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := fill(part); err != nil {
		return "", fmt.Errorf("install %s: %w", name, err)
	}
	if err := os.Rename(part, dir); err != nil {
		if _, missing := os.Stat(dir); missing != nil {
			return "", err
		}
		// Another program was faster.
	}
	in.done(begun)
	return dir, nil
}

func (in installer) begin(what string) time.Time {
	fmt.Fprintf(in.progress, "installing %s ... ", what)
	return time.Now()
}

func (in installer) done(begun time.Time) {
	fmt.Fprintf(in.progress, "%.0f s\n", time.Since(begun).Seconds())
}

// command returns a command that ends with the context.
func (in installer) command(name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(in.ctx, name, args...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	return c
}

// run runs a command. Its error has the end of the output.
func run(c *exec.Cmd) error {
	const tailBytes = 2 << 10
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Run(); err != nil {
		text := out.Bytes()
		return fmt.Errorf("%s: %w\n%s", c, err, text[max(0, len(text)-tailBytes):])
	}
	return nil
}
