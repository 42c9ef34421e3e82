package main

import (
	"context"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// lines cancels a run at the first line with a prefix.
type lines struct {
	prefix string
	cancel context.CancelFunc
	text   []string
}

func (l *lines) Write(p []byte) (int, error) {
	l.text = append(l.text, string(p))
	if strings.HasPrefix(string(p), l.prefix) {
		l.cancel()
	}
	return len(p), nil
}

func TestSecondRunContinues(t *testing.T) {
	u := url.URL{Scheme: "lsm+file", Path: "/" + strings.TrimPrefix(filepath.ToSlash(t.TempDir()), "/")}
	for _, c := range []struct{ until, begins string }{
		{"checkpoint 1:", "attempt 1, checkpoint 0, element 0\n"},
		{"attempt 2,", "attempt 2, checkpoint "},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		out := &lines{prefix: c.until, cancel: cancel}
		require.ErrorIs(t, run(ctx, u.String(), out), context.Canceled)
		require.True(t, strings.HasPrefix(out.text[0], c.begins), out.text[0])
		require.NotContains(t, out.text[0], "attempt 2, checkpoint 0,")
	}
}
