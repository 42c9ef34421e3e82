package servers

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// ZooKeeper is a single ZooKeeper server.
type ZooKeeper struct {
	*Process
	// Address is the host and port for clients.
	Address string
}

// zooConfig is the configuration of ZooKeeper. With a tick of 500 ms, sessions have timeouts from 1 s
// to 20 s.
const zooConfig = `clientPortAddress=127.0.0.1
clientPort=%d
dataDir=%s
tickTime=500
maxSessionTimeout=20000
admin.enableServer=false
4lw.commands.whitelist=ruok,srvr,cons,wchs
`

// StartZooKeeper starts a ZooKeeper server with its files in dir, which must exist, on a port,
// or on a free one if port is 0.
func (i Installation) StartZooKeeper(ctx context.Context, dir string, port int) (*ZooKeeper, error) {
	port, err := portOrFree(port)
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "zoo.cfg")
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, zooConfig, port, data), 0o600); err != nil {
		return nil, err
	}
	z := &ZooKeeper{Address: Local(port)}
	z.Process = &Process{
		name: "ZooKeeper", log: filepath.Join(dir, "server.log"), program: "java",
		args: []string{javaTemp(dir), "-Xmx256m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true", "-Dzookeeper.jmx.log4j.disable=true", "-Dzookeeper.enforceQuota=true",
			"-Dorg.slf4j.simpleLogger.showDateTime=true",
			"-cp", filepath.Join(filepath.Dir(i.ZooKeeperJar), "slf4j-simple.jar") + ":" + i.ZooKeeperJar, "org.apache.zookeeper.server.quorum.QuorumPeerMain", config},
		ready: func(ctx context.Context) error { return askZooKeeper(ctx, z.Address) },
	}
	return z, z.Start(ctx)
}

// askZooKeeper returns an error unless the server answers that it is not in an error state.
func askZooKeeper(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := io.WriteString(c, "srvr"); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	if len(answer) == 0 || string(answer[:9]) != "Zookeeper" {
		return fmt.Errorf("%s answers %q to srvr", address, answer)
	}
	return nil
}
