package hdfsstore

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/user"
	"path"
	"strings"
	"time"

	"github.com/colinmarc/hdfs/v2"
	"github.com/colinmarc/hdfs/v2/hadoopconf"

	"github.com/weirstate/weir/checkpoint"
	"github.com/weirstate/weir/internal/query"
)

// Options configures a Store. Keys of URLs are in parentheses.
type Options struct {
	// NameNodes are the addresses of the NameNodes as host:port: one, or all of a highly
	// available pair. The client uses the one that is active. In a URL they are the authority,
	// joined by commas; the port is 8020 by default. With HadoopConf it may also be the name of a
	// nameservice, or empty for fs.defaultFS.
	NameNodes []string
	// Path is the absolute path of the directory. New makes it, with mode 0700, if it is missing.
	Path string
	// User (user) is the user that HDFS checks permissions for. The default is the environment
	// variable HADOOP_USER_NAME, or the user of the process. With Kerberos it is the principal.
	User string
	// Replication (replication) is the number of copies of each block. 0 selects the server's
	// default, usually 3. The server refuses values out of its range.
	Replication int
	// BlockBytes (block-size) is the size of a block. 0 selects the server's default, usually
	// 128 MiB. It is a multiple of 512 bytes.
	BlockBytes int64
	// Timeout (timeout) limits the time in which a server makes no progress: it does not accept a
	// connection, answer a call or take data. Default 60 s, as in Hadoop's client.
	Timeout time.Duration
	// OpenTimeout (open-timeout) limits New as a whole, with all attempts, so that a wrong address is
	// noticed early. Later operations have only the limits of Timeout and Attempts. Default 30 s.
	OpenTimeout time.Duration
	// Attempts (attempts) is how often an operation is tried when a server cannot be reached, is
	// in safe mode or in standby. The waits between them grow from 50 ms to 5 s, 16 s in all with
	// the default of 10. 1 means that nothing is tried again. With servers that accept connections
	// and never answer, an operation takes Attempts * Timeout longer: 10 minutes by default.
	Attempts int
	// HadoopConf (hadoop-conf) is a directory with core-site.xml and hdfs-site.xml. Addresses of
	// nameservices, Kerberos principals and the protection of data are read from it.
	HadoopConf string
	// Kerberos authenticates the process. The zero value means that the cluster does not use it.
	Kerberos Kerberos
	// Protection (data-transfer-protection) is authentication, integrity or privacy if DataNodes
	// require it: dfs.data.transfer.protection of the cluster. Empty selects the value of
	// HadoopConf, or none. If it is set, New writes and reads a small file, since the library
	// cannot read integrity and privacy of each version of Hadoop: not of 3.4.
	Protection string
	// UseHostnames (datanode-hostnames) connects to DataNodes by their name instead of by their
	// IP address.
	UseHostnames bool
}

// Kerberos says how a process authenticates. Exactly one of Keytab and CredentialCache is set.
// There is no password: it would end up in logs.
type Kerberos struct {
	// Principal (kerberos-principal) is the user as name@REALM. It is required with Keytab.
	Principal string
	// Keytab (kerberos-keytab) is the path of a keytab. The client renews its tickets from it.
	Keytab string
	// CredentialCache (kerberos-ccache) is the path of a cache as kinit writes it. It is read
	// once, so a job that outlives the ticket needs a keytab.
	CredentialCache string
	// Config (kerberos-config) is the path of krb5.conf. The default is the environment variable
	// KRB5_CONFIG, or /etc/krb5.conf.
	Config string
	// Service (kerberos-service) is the principal of the NameNodes without realm; _HOST stands
	// for their host. The default is dfs.namenode.kerberos.principal of HadoopConf, or nn/_HOST.
	Service string
}

const (
	defaultPort     = "8020"
	defaultTimeout  = 60 * time.Second
	defaultAttempts = 10
	defaultOpen     = 30 * time.Second
	maxAttempts     = 1000
	checksumBytes   = 512 // HDFS has a checksum for this many bytes
	maxReplication  = 512 // default of dfs.replication.max
)

func init() {
	open := func(ctx context.Context, u *url.URL) (checkpoint.Objects, error) {
		o, err := parseURL(u)
		if err != nil {
			return nil, err
		}
		return New(ctx, o)
	}
	if err := checkpoint.Register("hdfs", open); err != nil {
		panic(err) // another package has registered the scheme
	}
}

// parseURL returns the options of a URL. It wraps checkpoint.ErrURL and does not quote the query.
func parseURL(u *url.URL) (Options, error) {
	refuse := func(problem string) (Options, error) {
		return Options{}, fmt.Errorf("%s: want hdfs://namenode:port/directory: %w", problem, checkpoint.ErrURL)
	}
	switch {
	case u.Opaque != "" || u.OmitHost:
		return refuse("the URL has no host")
	case u.User != nil:
		return refuse("the URL has a user: use the query key user")
	case u.Fragment != "":
		return refuse("the URL has a fragment")
	}
	o := Options{Path: u.Path}
	if u.Host != "" {
		o.NameNodes = strings.Split(u.Host, ",")
	}
	k := &o.Kerberos
	err := query.Apply(u.RawQuery,
		query.Text("user", "a user of HDFS", &o.User),
		query.Count("replication", &o.Replication),
		query.Size("block-size", checksumBytes, &o.BlockBytes),
		query.Duration("timeout", &o.Timeout),
		query.Duration("open-timeout", &o.OpenTimeout),
		query.Count("attempts", &o.Attempts),
		query.Text("hadoop-conf", "a directory with core-site.xml", &o.HadoopConf),
		query.Text("kerberos-principal", "name@REALM", &k.Principal),
		query.Text("kerberos-keytab", "the path of a keytab", &k.Keytab),
		query.Text("kerberos-ccache", "the path of a credential cache", &k.CredentialCache),
		query.Text("kerberos-config", "the path of krb5.conf", &k.Config),
		query.Text("kerberos-service", "service/_HOST", &k.Service),
		query.Text("data-transfer-protection", "authentication, integrity or privacy", &o.Protection),
		query.Bool("datanode-hostnames", &o.UseHostnames),
	)
	if err != nil {
		return Options{}, fmt.Errorf("%w: %w", err, checkpoint.ErrURL)
	}
	return o, nil
}

// check returns checkpoint.ErrInvalidOption for options out of range.
func (o Options) check() error {
	problem := ""
	switch {
	case !strings.HasPrefix(o.Path, "/") || path.Clean(o.Path) == "/":
		problem = "Path: want an absolute path below the root directory"
	case strings.ContainsAny(o.Path, ":\x00") || hasDots(o.Path):
		problem = "Path: want no colon, zero byte, \".\" or \"..\" in it"
	case o.Replication < 0 || o.Replication > maxReplication:
		problem = fmt.Sprintf("Replication is %d, want 0 to %d", o.Replication, maxReplication)
	case o.BlockBytes < 0 || o.BlockBytes%checksumBytes != 0:
		problem = fmt.Sprintf("BlockBytes is %d, want 0 or a multiple of %d", o.BlockBytes, checksumBytes)
	case o.Timeout < 0:
		problem = fmt.Sprintf("Timeout is %v, want 0 or more", o.Timeout)
	case o.OpenTimeout < 0:
		problem = fmt.Sprintf("OpenTimeout is %v, want 0 or more", o.OpenTimeout)
	case o.Attempts < 0 || o.Attempts > maxAttempts:
		problem = fmt.Sprintf("Attempts is %d, want 0 to %d", o.Attempts, maxAttempts)
	case !isProtection(o.Protection):
		problem = "Protection: want authentication, integrity or privacy"
	case o.Kerberos.Keytab != "" && o.Kerberos.CredentialCache != "":
		problem = "Kerberos has a Keytab and a CredentialCache, want one of them"
	case o.Kerberos.Keytab != "" && o.Kerberos.Principal == "":
		problem = "Kerberos has a Keytab and no Principal"
	case o.Kerberos != Kerberos{} && o.Kerberos.Keytab == "" && o.Kerberos.CredentialCache == "":
		problem = "Kerberos has neither a Keytab nor a CredentialCache"
	default:
		return nil
	}
	return fmt.Errorf("HDFS: %s: %w", problem, checkpoint.ErrInvalidOption)
}

// hasDots reports whether a path has an element that means this directory or its parent.
func hasDots(p string) bool {
	for element := range strings.SplitSeq(p, "/") {
		if element == "." || element == ".." {
			return true
		}
	}
	return false
}

// isProtection reports whether a level of protection is known, or empty.
func isProtection(level string) bool {
	switch level {
	case "", hdfs.DataTransferProtectionAuthentication, hdfs.DataTransferProtectionIntegrity, hdfs.DataTransferProtectionPrivacy:
		return true
	}
	return false
}

// resolve returns the options with defaults and addresses filled in, and the options of the
// library that the Hadoop configuration sets.
func (o Options) resolve() (Options, hdfs.ClientOptions, error) {
	if err := o.check(); err != nil {
		return o, hdfs.ClientOptions{}, err
	}
	conf := hadoopconf.HadoopConf{}
	if o.HadoopConf != "" {
		var err error
		if conf, err = hadoopconf.Load(o.HadoopConf); err != nil {
			return o, hdfs.ClientOptions{}, fmt.Errorf("HDFS: Hadoop configuration: %v: %w", err, checkpoint.ErrInvalidOption)
		}
		if conf == nil {
			return o, hdfs.ClientOptions{}, fmt.Errorf("HDFS: HadoopConf: %s has neither core-site.xml nor hdfs-site.xml: %w",
				o.HadoopConf, checkpoint.ErrInvalidOption)
		}
	}
	var err error
	if o.NameNodes, err = addresses(o.NameNodes, conf); err != nil {
		return o, hdfs.ClientOptions{}, err
	}
	o.Path = path.Clean(o.Path)
	o.Timeout = cmp.Or(o.Timeout, defaultTimeout)
	o.OpenTimeout = cmp.Or(o.OpenTimeout, defaultOpen)
	o.Attempts = cmp.Or(o.Attempts, defaultAttempts)
	library := hdfs.ClientOptionsFromConf(conf)
	if library.KerberosClient != nil && o.Kerberos == (Kerberos{}) {
		return o, library, fmt.Errorf("HDFS: the Hadoop configuration requires Kerberos: want Kerberos.Keytab or Kerberos.CredentialCache: %w",
			checkpoint.ErrInvalidOption)
	}
	library.KerberosClient = nil
	library.Addresses = o.NameNodes
	library.UseDatanodeHostname = library.UseDatanodeHostname || o.UseHostnames
	library.DataTransferProtection = cmp.Or(o.Protection, library.DataTransferProtection)
	if o.Kerberos != (Kerberos{}) {
		library.KerberosServicePrincipleName = cmp.Or(o.Kerberos.Service, library.KerberosServicePrincipleName, "nn/_HOST")
		library.KerberosClient, err = o.Kerberos.login()
		return o, library, err
	}
	library.User, err = o.userName()
	return o, library, err
}

// userName returns the user without Kerberos.
func (o Options) userName() (string, error) {
	if name := cmp.Or(o.User, os.Getenv("HADOOP_USER_NAME")); name != "" {
		return name, nil
	}
	u, err := user.Current()
	if err != nil {
		return "", fmt.Errorf("HDFS: the user of the process is unknown, set User: %w", err)
	}
	return u.Username, nil
}

// addresses returns the addresses of NameNodes with ports. A single name without a port that is a
// nameservice of the configuration stands for its NameNodes.
func addresses(names []string, conf hadoopconf.HadoopConf) ([]string, error) {
	if len(names) == 0 {
		u, err := url.Parse(conf["fs.defaultFS"])
		if err != nil || u.Scheme != "hdfs" || u.Host == "" {
			return nil, fmt.Errorf("HDFS: no NameNode: want host:port, or a Hadoop configuration whose fs.defaultFS is hdfs://name: %w",
				checkpoint.ErrInvalidOption)
		}
		names = []string{u.Host}
	}
	if members := conf["dfs.ha.namenodes."+names[0]]; members != "" && len(names) == 1 {
		service := names[0]
		names = nil
		for member := range strings.SplitSeq(members, ",") {
			if address := conf["dfs.namenode.rpc-address."+service+"."+strings.TrimSpace(member)]; address != "" {
				names = append(names, address)
			}
		}
		if names == nil {
			return nil, fmt.Errorf("HDFS: nameservice %q has no dfs.namenode.rpc-address in the Hadoop configuration: %w",
				service, checkpoint.ErrInvalidOption)
		}
	}
	full := make([]string, len(names))
	for i, name := range names {
		host, port, err := net.SplitHostPort(name)
		if err != nil {
			host, port = strings.Trim(name, "[]"), defaultPort
		}
		if host == "" || port == "" || strings.ContainsAny(host, "/@") {
			return nil, fmt.Errorf("HDFS: NameNode %d of %d: want host:port: %w", i+1, len(names), checkpoint.ErrInvalidOption)
		}
		full[i] = net.JoinHostPort(host, port)
	}
	return full, nil
}
