package hdfsstore

import (
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

const canary = "canary-5c1b"

// hadoopConf writes a configuration with a pair of NameNodes and returns its directory.
func hadoopConf(t *testing.T, more string) string {
	dir := t.TempDir()
	site := `<configuration>
  <property><name>fs.defaultFS</name><value>hdfs://cluster</value></property>
  <property><name>dfs.nameservices</name><value>cluster,other</value></property>
  <property><name>dfs.ha.namenodes.cluster</name><value>nn1, nn2</value></property>
  <property><name>dfs.namenode.rpc-address.cluster.nn1</name><value>one:9000</value></property>
  <property><name>dfs.namenode.rpc-address.cluster.nn2</name><value>two:9001</value></property>
  <property><name>dfs.ha.namenodes.empty</name><value>nn1</value></property>
  <property><name>dfs.namenode.rpc-address.other</name><value>three:9000</value></property>
` + more + `</configuration>`
	require.NoError(t, os.WriteFile(filepath.Join(dir, "core-site.xml"), []byte(site), 0o600))
	return dir
}

func TestAddressesOfNameNodes(t *testing.T) {
	conf := url.QueryEscape(hadoopConf(t, ""))
	for raw, want := range map[string][]string{
		"hdfs://nn/a":                               {"nn:8020"},
		"hdfs://nn:9000/a":                          {"nn:9000"},
		"hdfs://10.0.0.1:9000/a":                    {"10.0.0.1:9000"},
		"hdfs://[::1]:9000/a":                       {"[::1]:9000"},
		"hdfs://[::1]/a":                            {"[::1]:8020"},
		"hdfs://one:9000,two:9001/a":                {"one:9000", "two:9001"},
		"hdfs://one,two:9001/a":                     {"one:8020", "two:9001"},
		"hdfs://cluster/a?hadoop-conf=" + conf:      {"one:9000", "two:9001"},
		"hdfs:///a?hadoop-conf=" + conf:             {"one:9000", "two:9001"},
		"hdfs://nn/a?hadoop-conf=" + conf:           {"nn:8020"},
		"hdfs://cluster:9000/a?hadoop-conf=" + conf: {"cluster:9000"},
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		o, err := parseURL(u)
		require.NoError(t, err)
		o, library, err := o.resolve()
		require.NoError(t, err, raw)
		require.Equal(t, want, o.NameNodes, raw)
		require.Equal(t, want, library.Addresses, raw)
	}
}

func TestURLSetsEachOption(t *testing.T) {
	u, err := url.Parse("hdfs://nn:9000/flows/a%20b?user=me&replication=2&block-size=64MiB&timeout=5s&open-timeout=45s&attempts=3&hadoop-conf=/etc/hadoop" +
		"&kerberos-principal=me@REALM&kerberos-keytab=/k&kerberos-ccache=/c&kerberos-config=/conf&kerberos-service=nn/_HOST" +
		"&data-transfer-protection=privacy&datanode-hostnames=true")
	require.NoError(t, err)
	o, err := parseURL(u)
	require.NoError(t, err)
	require.Equal(t, Options{
		NameNodes: []string{"nn:9000"}, Path: "/flows/a b", User: "me", Replication: 2, BlockBytes: 64 << 20,
		Timeout: 5 * time.Second, OpenTimeout: 45 * time.Second, Attempts: 3, HadoopConf: "/etc/hadoop", Protection: "privacy", UseHostnames: true,
		Kerberos: Kerberos{Principal: "me@REALM", Keytab: "/k", CredentialCache: "/c", Config: "/conf", Service: "nn/_HOST"},
	}, o)
}

func TestDefaultsOfOptions(t *testing.T) {
	t.Setenv("HADOOP_USER_NAME", "hadoop")
	o, library, err := Options{NameNodes: []string{"nn"}, Path: "//a//b/"}.resolve()
	require.NoError(t, err)
	require.Equal(t, "/a/b", o.Path)
	require.Equal(t, 60*time.Second, o.Timeout)
	require.Equal(t, 10, o.Attempts)
	require.Equal(t, "hadoop", library.User)
	require.Nil(t, library.KerberosClient)
	t.Setenv("HADOOP_USER_NAME", "")
	_, library, err = Options{NameNodes: []string{"nn"}, Path: "/a"}.resolve()
	require.NoError(t, err)
	require.NotEmpty(t, library.User)
	_, library, err = Options{NameNodes: []string{"nn"}, Path: "/a", HadoopConf: hadoopConf(t,
		`<property><name>dfs.encrypt.data.transfer</name><value>true</value></property>
		 <property><name>dfs.client.use.datanode.hostname</name><value>true</value></property>`)}.resolve()
	require.NoError(t, err)
	require.Equal(t, "privacy", library.DataTransferProtection)
	require.True(t, library.UseDatanodeHostname)
}

func TestURLsThatAreRefused(t *testing.T) {
	for _, raw := range []string{
		"hdfs:a", "hdfs:/a", "hdfs://nn/a#b", "hdfs://me@nn/a", "hdfs://nn/a?" + canary + "=1", "hdfs://nn/a?user=", "hdfs://nn/a?attempts=0",
		"hdfs://nn/a?attempts=" + canary, "hdfs://nn/a?timeout=-1s", "hdfs://nn/a?timeout=" + canary, "hdfs://nn/a?block-size=1B",
		"hdfs://nn/a?datanode-hostnames=" + canary, "hdfs://nn/a?user=a&user=" + canary, "hdfs://nn/a?x=%zz" + canary,
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err, raw)
		_, err = parseURL(u)
		require.ErrorIs(t, err, checkpoint.ErrURL, raw)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	kerberized := hadoopConf(t, `<property><name>hadoop.security.authentication</name><value>kerberos</value></property>`)
	plain := hadoopConf(t, "")
	for name, change := range map[string]func(*Options){
		"no path":                     func(o *Options) { o.Path = "" },
		"the root directory":          func(o *Options) { o.Path = "//" },
		"a relative path":             func(o *Options) { o.Path = "a" },
		"a parent in the path":        func(o *Options) { o.Path = "/a/../b" },
		"a dot in the path":           func(o *Options) { o.Path = "/a/." },
		"a colon in the path":         func(o *Options) { o.Path = "/a:b" },
		"a zero byte in the path":     func(o *Options) { o.Path = "/a\x00b" },
		"no NameNode":                 func(o *Options) { o.NameNodes = nil },
		"a NameNode without a host":   func(o *Options) { o.NameNodes = []string{"nn", ":9000"} },
		"a NameNode with a slash":     func(o *Options) { o.NameNodes = []string{"nn/" + canary} },
		"a nameservice without hosts": func(o *Options) { o.NameNodes, o.HadoopConf = []string{"empty"}, plain },
		"copies":                      func(o *Options) { o.Replication = 513 },
		"negative copies":             func(o *Options) { o.Replication = -1 },
		"a block size":                func(o *Options) { o.BlockBytes = 1000 },
		"a negative timeout":          func(o *Options) { o.Timeout = -1 },
		"attempts":                    func(o *Options) { o.Attempts = 1001 },
		"protection":                  func(o *Options) { o.Protection = canary },
		"two kinds of credentials":    func(o *Options) { o.Kerberos = Kerberos{Keytab: "/k", CredentialCache: "/c", Principal: "me@R"} },
		"a keytab without principal":  func(o *Options) { o.Kerberos.Keytab = "/k" },
		"a principal alone":           func(o *Options) { o.Kerberos.Principal = "me@R" },
		"no credentials":              func(o *Options) { o.HadoopConf = kerberized },
		"an empty configuration":      func(o *Options) { o.HadoopConf = t.TempDir() },
	} {
		o := Options{NameNodes: []string{"nn:8020"}, Path: "/a"}
		change(&o)
		_, err := New(t.Context(), o)
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption, name)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestKerberosFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	conf := filepath.Join(dir, "krb5.conf")
	require.NoError(t, os.WriteFile(conf, []byte("[libdefaults]\n default_realm = R\n"), 0o600))
	garbage := filepath.Join(dir, "garbage")
	require.NoError(t, os.WriteFile(garbage, []byte(canary), 0o600))
	for name, k := range map[string]Kerberos{
		"no configuration":    {Keytab: garbage, Principal: "me@R", Config: filepath.Join(dir, "none")},
		"no keytab":           {Keytab: filepath.Join(dir, "none"), Principal: "me@R", Config: conf},
		"a damaged keytab":    {Keytab: garbage, Principal: "me@R", Config: conf},
		"no realm":            {Keytab: garbage, Principal: "me", Config: conf},
		"no credential cache": {CredentialCache: filepath.Join(dir, "none"), Config: conf},
		"a damaged cache":     {CredentialCache: garbage, Config: conf},
	} {
		_, err := New(t.Context(), Options{NameNodes: []string{"nn:8020"}, Path: "/a", Kerberos: k})
		require.ErrorContains(t, err, "Kerberos", name)
		require.NotErrorIs(t, err, fs.ErrNotExist, name)
		require.NotContains(t, err.Error(), canary, name)
	}
}

// FuzzURL checks that no URL makes the parser panic, and that errors do not quote the query.
func FuzzURL(f *testing.F) {
	f.Add("hdfs://nn:8020/a?user=me")
	f.Add("hdfs://one:9000,two:9001/a/b?block-size=64MiB&timeout=5s")
	f.Add("hdfs:///a?x=%zz")
	f.Add("hdfs://[::1]:9000/../a:b?kerberos-keytab=/k&kerberos-principal=me@R")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			return
		}
		u.RawQuery += "&" + canary + "=" + canary
		_, err = parseURL(u)
		require.ErrorIs(t, err, checkpoint.ErrURL)
		if !strings.Contains(raw, canary) {
			require.NotContains(t, err.Error(), canary)
		}
		u.RawQuery, u.Fragment = "", ""
		if o, err := parseURL(u); err == nil && o.check() == nil {
			if _, err := addresses(o.NameNodes, nil); err != nil {
				require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
			}
		}
	})
}
