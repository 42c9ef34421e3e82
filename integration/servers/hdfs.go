package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/weirstate/weir/integration/hadoop"
)

// HDFS is a NameNode and one DataNode.
type HDFS struct {
	// NameNode holds the names of files and their blocks.
	NameNode *Process
	// DataNode holds the blocks.
	DataNode *Process
	// Address is the host and port of the NameNode for clients.
	Address string

	installation Installation
	dir          string
}

const (
	nameNodeClass = "org.apache.hadoop.hdfs.server.namenode.NameNode"
	dataNodeClass = "org.apache.hadoop.hdfs.server.datanode.DataNode"
	shellClass    = "org.apache.hadoop.fs.FsShell"
	adminClass    = "org.apache.hadoop.hdfs.tools.DFSAdmin"
)

// StartHDFS formats a NameNode in dir, which must exist, and starts it and a DataNode. The NameNode listens on a
// port, or on a free one if port is 0. StartHDFS returns when both are ready for writes.
func (i Installation) StartHDFS(ctx context.Context, dir string, port int) (*HDFS, error) {
	port, err := portOrFree(port)
	if err != nil {
		return nil, err
	}
	others, err := FreePorts(4)
	if err != nil {
		return nil, err
	}
	h := &HDFS{Address: Local(port), installation: i, dir: dir}
	if err := h.configure(append([]int{port}, others...)); err != nil {
		return nil, err
	}
	format := h.java(ctx, nameNodeClass, "-format", "-nonInteractive")
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format the NameNode: %w\n%s", err, out)
	}
	web := Local(others[0])
	h.NameNode = h.process("the NameNode", "namenode.log", nameNodeClass, func(ctx context.Context) error {
		_, err := nameNodeState(ctx, web)
		return err
	})
	h.DataNode = h.process("the DataNode", "datanode.log", dataNodeClass, func(ctx context.Context) error {
		return awaitDataNode(ctx, web)
	})
	return h, h.Start(ctx)
}

// Start starts both servers after Stop.
func (h *HDFS) Start(ctx context.Context) error {
	if err := h.NameNode.Start(ctx); err != nil {
		return err
	}
	if err := h.DataNode.Start(ctx); err != nil {
		_ = h.NameNode.Stop()
		return err
	}
	return nil
}

// Stop stops both servers.
func (h *HDFS) Stop() error {
	err := h.DataNode.Stop()
	if e := h.NameNode.Stop(); err == nil {
		err = e
	}
	return err
}

// LogTail returns the ends of both logs.
func (h *HDFS) LogTail() string { return h.NameNode.LogTail() + "\n" + h.DataNode.LogTail() }

// Shell returns the command hdfs dfs with the given arguments, for example -put.
func (h *HDFS) Shell(ctx context.Context, args ...string) *exec.Cmd {
	return h.java(ctx, shellClass, args...)
}

// Admin returns the command hdfs dfsadmin with the given arguments, for example -safemode
// enter.
func (h *HDFS) Admin(ctx context.Context, args ...string) *exec.Cmd {
	return h.java(ctx, adminClass, args...)
}

// configure writes the configuration of both servers and of the commands.
func (h *HDFS) configure(ports []int) error {
	site := strings.NewReplacer("@DIR@", h.dir, "@EXTRA@\n", "").Replace(hadoop.Site)
	for i, port := range ports {
		site = strings.ReplaceAll(site, fmt.Sprintf("@PORT+%d@", i), fmt.Sprint(port))
	}
	config := h.configDir()
	if err := os.MkdirAll(config, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"core-site.xml", "hdfs-site.xml"} {
		if err := os.WriteFile(filepath.Join(config, name), []byte(site), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (h *HDFS) configDir() string { return filepath.Join(h.dir, "conf") }

// arguments returns the arguments of java for a class.
func (h *HDFS) arguments(class string, args ...string) []string {
	return append([]string{javaTemp(h.dir), "-Xmx300m", "-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true",
		"-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-cp", h.configDir() + ":" + h.installation.HadoopJars + "/*", class}, args...)
}

func (h *HDFS) java(ctx context.Context, class string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "java", h.arguments(class, args...)...)
}

func (h *HDFS) process(name, log, class string, ready func(context.Context) error) *Process {
	return &Process{name: name, log: filepath.Join(h.dir, log), program: "java", args: h.arguments(class), ready: ready}
}

// fsState is the state of the file system as the NameNode reports it.
type fsState struct {
	FSState          string // Operational or safeMode
	NumLiveDataNodes int
}

// nameNodeState asks the web server of the NameNode for the state of the file system.
func nameNodeState(ctx context.Context, web string) (s fsState, err error) {
	url := "http://" + web + "/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return s, err
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return s, err
	}
	defer answer.Body.Close()
	var beans struct{ Beans []fsState }
	if err := json.NewDecoder(answer.Body).Decode(&beans); err != nil {
		return s, err
	}
	if len(beans.Beans) != 1 {
		return s, fmt.Errorf("the NameNode reports %d states, want 1", len(beans.Beans))
	}
	return beans.Beans[0], nil
}

// awaitDataNode returns an error unless the NameNode accepts writes and has a live DataNode.
func awaitDataNode(ctx context.Context, web string) error {
	s, err := nameNodeState(ctx, web)
	if err == nil && (s.FSState != "Operational" || s.NumLiveDataNodes == 0) {
		err = fmt.Errorf("the state of HDFS is %q with %d DataNodes", s.FSState, s.NumLiveDataNodes)
	}
	return err
}
