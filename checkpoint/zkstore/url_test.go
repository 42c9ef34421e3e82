package zkstore

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// optionsOf returns the options in a URL.
func optionsOf(t *testing.T, rawURL string) Options {
	t.Helper()
	u, err := url.Parse(rawURL)
	require.NoError(t, err, rawURL)
	o, err := parseURL(u)
	require.NoError(t, err, rawURL)
	return o
}

func TestURLSetsTheOptions(t *testing.T) {
	for text, want := range map[string]Options{
		"zk://h1":                          {Servers: []string{"h1"}},
		"zk://h1/":                         {Servers: []string{"h1"}, Chroot: "/"},
		"zk://h1:2181,h2:2182/a/b":         {Servers: []string{"h1:2181", "h2:2182"}, Chroot: "/a/b"},
		"zk://[::1]:2181/a":                {Servers: []string{"[::1]:2181"}, Chroot: "/a"},
		"zk://h1,h2/a?session=1m30s":       {Servers: []string{"h1", "h2"}, Chroot: "/a", Session: 90 * time.Second},
		"zk://h1/a?wait=true&acl=open":     {Servers: []string{"h1"}, Chroot: "/a", Wait: true, ACL: Everyone},
		"zk://h1/a?acl=creator&wait=false": {Servers: []string{"h1"}, Chroot: "/a", ACL: Creator},
	} {
		require.Equal(t, want, optionsOf(t, text), text)
	}
	o := optionsOf(t, "zk://h1/a?auth-file=/nowhere/at%20all")
	_, err := o.Auth()
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "/nowhere/at all")
}

func TestUnusableURLIsRefusedAndNotRepeated(t *testing.T) {
	for _, text := range []string{
		"zk:", "zk:CANARY", "zk:/CANARY", "zk:///CANARY", "zk://", "zk://,", "zk://h1,,h2/a", "zk://h1:CANARY/a", "zk://h1:0/a", "zk://h1:99999/a",
		"zk://h1:1:2/a", "zk://:2181/a", "zk://h1/a//b", "zk://h1//a", "zk://h1/.CANARY", "zk://h1/a/../CANARY", "zk://h1/CANARY%20x", "zk://h1/a%2Fb",
		"zk://h1/zookeeper/CANARY", "zk://h1/a?", "zk://h1/a#CANARY", "zk://h1/a?CANARY=1", "zk://h1/a?session=CANARY", "zk://h1/a?session=999ms",
		"zk://h1/a?session=61m", "zk://h1/a?session=10", "zk://h1/a?wait=CANARY", "zk://h1/a?acl=CANARY", "zk://h1/a?acl=", "zk://h1/a?auth-file=CANARY",
		"zk://CANARY:CANARY@h1/a", "zk://CANARY@h1/a", "zk://h1/a?password=CANARY", "zk://h1/a?token=CANARY", "zk://h1/a?wait=true&wait=true",
	} {
		_, err := checkpoint.OpenCompleted(text)
		require.ErrorIs(t, err, checkpoint.ErrURL, text)
		require.NotContains(t, err.Error(), "CANARY", text)
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no server":             {},
		"empty server":          {Servers: []string{""}},
		"server with a path":    {Servers: []string{"h1/CANARY"}},
		"server with a user":    {Servers: []string{"CANARY@h1"}},
		"relative chroot":       {Servers: []string{"h1"}, Chroot: "CANARY"},
		"short session":         {Servers: []string{"h1"}, Session: 999 * time.Millisecond},
		"negative session":      {Servers: []string{"h1"}, Session: -1},
		"long session":          {Servers: []string{"h1"}, Session: 2 * time.Hour},
		"unknown ACL":           {Servers: []string{"h1"}, ACL: 3},
		"address without brace": {Servers: []string{"::1"}},
	} {
		_, err := NewOpener(o)
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption, name)
		require.NotContains(t, err.Error(), "CANARY", name)
		_, err = Open(t.Context(), "job", o)
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption, name)
	}
}

func TestServersGetTheDefaultPort(t *testing.T) {
	o, err := Options{Servers: []string{"h1", "h2:1", "[::1]", "[::1]:7", "10.0.0.1"}}.complete()
	require.NoError(t, err)
	require.Equal(t, []string{"h1:2181", "h2:1", "[::1]:2181", "[::1]:7", "10.0.0.1:2181"}, o.Servers)
	require.Equal(t, 10*time.Second, o.Session)
}

func TestFileOfCredentialsIsChecked(t *testing.T) {
	dir := t.TempDir()
	write := func(content string, mode os.FileMode) string {
		path := filepath.Join(dir, fmt.Sprint(len(content), mode.Perm()))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		require.NoError(t, os.Chmod(path, mode))
		return path
	}
	for content, want := range map[string]Credentials{
		"user:CANARY": {"user", "CANARY"}, "u:p:q\n": {"u", "p:q"}, "u: p \r\n": {"u", " p "},
	} {
		got, err := AuthFile(write(content, 0o600))()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	got, err := AuthFile(write("user:CANARY", 0o400))()
	require.NoError(t, err)
	require.Equal(t, Credentials{"user", "CANARY"}, got)
	for _, content := range []string{"", "CANARY", "CANARY:", ":CANARY", "u:CANARY\nx", "u:CANARY\x00", "u:" + strings.Repeat("CANARY", 1000)} {
		_, err := AuthFile(write(content, 0o600))()
		require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
		require.NotContains(t, err.Error(), "CANARY")
		t.Setenv(authVariable, strings.ReplaceAll(content, "\x00", "\nx"))
		if _, err = authFromEnvironment(); content != "" {
			require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
			require.NotContains(t, err.Error(), "CANARY")
		}
	}
	_, err = AuthFile(dir)()
	require.ErrorContains(t, err, "is not a regular file")
	if runtime.GOOS != "windows" {
		for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
			_, err := AuthFile(write("user:CANARY", mode))()
			require.ErrorIs(t, err, fs.ErrPermission, "%v", mode)
			require.NotContains(t, err.Error(), "CANARY")
		}
	}
	t.Setenv(authVariable, "user:CANARY")
	got, err = authFromEnvironment()
	require.NoError(t, err)
	require.Equal(t, Credentials{"user", "CANARY"}, got)
}

func TestCredentialsAreNeverPrinted(t *testing.T) {
	c := Credentials{"CANARY", "CANARY"}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("message", "credentials", c, "pointer", &c)
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%v %+v %#v %s %q", c, c, c, c, c), fmt.Sprintf("%+v", Options{}), log.String()} {
		require.NotContains(t, text, "CANARY")
	}
	require.Equal(t, "none", Credentials{}.String())
}

// as returns options with credentials.
func (e *ensemble) as(user string, acl ACL) Options {
	o := e.options()
	o.ACL = acl
	o.Auth = func() (Credentials, error) { return Credentials{user, "CANARY"}, nil }
	return o
}

func TestEveryZnodeHasTheACLOfTheOptions(t *testing.T) {
	for _, c := range []struct {
		o    Options
		want string
	}{
		{newEnsemble().options(), "world"},
		{newEnsemble().as("u", Everyone), "world"},
		{newEnsemble().as("u", Creator), "digest"},
		{newEnsemble().as("u", Auto), "digest"},
	} {
		e := newEnsemble()
		c.o.connect = e.connect
		s, err := Open(t.Context(), "job", c.o)
		require.NoError(t, err)
		a, err := s.Begin(t.Context())
		require.NoError(t, err)
		require.NoError(t, s.Commit(t.Context(), checkpoint.Entry{ID: 1, Attempt: a}))
		require.Len(t, e.nodes, 9)
		for path, n := range e.nodes {
			if path != "/" {
				require.Len(t, n.acl, 1)
				require.Equal(t, c.want, n.acl[0].Scheme, path)
				require.EqualValues(t, zk.PermAll, n.acl[0].Perms)
			}
		}
		require.NoError(t, s.Close())
	}
	o := newEnsemble().options()
	o.ACL = Creator
	_, err := Open(t.Context(), "job", o)
	require.ErrorIs(t, err, checkpoint.ErrInvalidOption)
	require.ErrorContains(t, err, "no credentials")
}

func TestOtherCredentialsAreRefused(t *testing.T) {
	e := newEnsemble()
	s, err := Open(t.Context(), "job", e.as("u", Auto))
	require.NoError(t, err)
	require.NoError(t, s.Close())
	for _, o := range []Options{e.options(), e.as("v", Auto)} {
		_, err := Open(t.Context(), "job", o)
		require.ErrorIs(t, err, fs.ErrPermission)
		require.NotContains(t, err.Error(), "CANARY")
	}
	again, err := Open(t.Context(), "job", e.as("u", Auto))
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestSchemeIsRegistered(t *testing.T) {
	open, err := checkpoint.OpenCompleted("zk://127.0.0.1:1/weir?session=1s")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = open(ctx, checkpoint.CompletedOptions{Job: "job"})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "zk://127.0.0.1:1/weir/job")
}

func FuzzURL(f *testing.F) {
	f.Add("zk://h1:2181,h2/weir?session=10s&wait=true&acl=open")
	f.Add("zk://[::1]:2181/a/b?auth-file=/x")
	f.Add("zk://h1/../zookeeper?session=-1s")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		o, err := parseURL(u)
		if err != nil {
			return
		}
		o, err = o.complete()
		require.NoError(t, err)
		require.NotContains(t, o.Chroot, "..")
		require.False(t, o.Chroot == "/zookeeper" || strings.HasPrefix(o.Chroot, "/zookeeper/"))
		require.True(t, o.Chroot == "" || o.Chroot[0] == '/')
		require.True(t, minSession <= o.Session && o.Session <= maxSession)
		for _, server := range o.Servers {
			require.NotContains(t, server, "@")
			require.NotContains(t, server, ",")
		}
	})
}
