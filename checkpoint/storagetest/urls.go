package storagetest

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/checkpoint"
)

// canary is the secret that no error and no message of a log may contain.
const canary = "CANARY"

// credentialKeys are query keys that every opener of URLs refuses.
var credentialKeys = []string{
	"secret", "secret-key", "AWS_SECRET_ACCESS_KEY", "aws_access_key_id", "access-key", "accesskey", "AccessKeyId", "token", "session-token",
	"X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-Credential", "password", "db-password", "Passwd", "pwd", "passphrase", "credentials",
	"signature", "sig", "api-key", "api_key", "apikey", "private-key", "privateKey", "account-key", "auth", "authorization", "bearer", "pass",
	"jwt", "s%65cret", "se%63ret%2Dkey", "s%2565cret", "pass+word", "access.key", "key", "encryption-key",
}

// RunURL tests that an opener of URLs refuses those with a secret, with checkpoint.ErrURL, and
// that neither an error nor the default logger repeats it. valid is a URL that open accepts; open
// is called with URLs that are made of it, and returns the error.
func RunURL(t *testing.T, valid string, open func(rawURL string) error) {
	runAll(t, &urls{valid, open}, []check[*urls]{
		{"a URL without secrets is opened", func(t *testing.T, u *urls) { require.NoError(t, u.open(u.valid)) }},
		{"a user or password in the URL is refused", refusesUsers},
		{"a query key with the name of a credential is refused", refusesCredentialKeys},
		{"a URL with secrets as the value of a query key is refused", refusesNestedURLs},
		{"errors do not repeat the rest of a URL", quotesNothing},
	})
}

// urls is an opener of URLs, and one that it accepts.
type urls struct {
	valid string
	open  func(rawURL string) error
}

// with returns the valid URL with one more query key, in encoded form.
func (u *urls) with(query string) string {
	if strings.Contains(u.valid, "?") {
		return u.valid + "&" + query
	}
	return u.valid + "?" + query
}

// requireRefused fails the test unless the opener refuses a URL and repeats no secret.
func (u *urls) requireRefused(t testing.TB, rawURL string) {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	err := u.open(rawURL)
	slog.SetDefault(before)
	require.ErrorIs(t, err, checkpoint.ErrURL, "%s", rawURL)
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), log.String()} {
		require.NotContains(t, strings.ToUpper(text), canary, "%s", rawURL)
	}
}

func refusesUsers(t *testing.T, u *urls) {
	scheme, rest, found := strings.Cut(u.valid, "://")
	require.True(t, found, "the URL has no //")
	for _, user := range []string{canary, "user:" + canary, canary + ":", ":" + canary, "%43ANARY:x", "user%3A" + canary, "a:b%40" + canary} {
		u.requireRefused(t, scheme+"://"+user+"@"+rest)
	}
	u.requireRefused(t, scheme+":user:"+canary+"@"+rest)
}

func refusesCredentialKeys(t *testing.T, u *urls) {
	for _, key := range credentialKeys {
		u.requireRefused(t, u.with(key+"="+canary))
		u.requireRefused(t, u.with("a=1&"+strings.ToUpper(key)+"="+canary+"&b=2"))
	}
	u.requireRefused(t, u.with("token"))
	u.requireRefused(t, u.with("token="+canary+"%zz"))
}

func refusesNestedURLs(t *testing.T, u *urls) {
	for _, key := range []string{"endpoint", "completed", "some-option"} {
		for _, nested := range []string{
			"http://user:" + canary + "@host/", "zk://" + canary + "@host:2181/x", "//" + canary + "@host", "user:" + canary + "@host",
			"http://host/?secret=" + canary, "http://host/?next=" + url.QueryEscape("http://host/?token="+canary), "http://user:" + canary + "@ho st",
		} {
			u.requireRefused(t, u.with(key+"="+url.QueryEscape(nested)))
		}
	}
}

func quotesNothing(t *testing.T, u *urls) {
	for _, query := range []string{"no-such-option=" + canary, canary + "=1", canary, "a=%zz" + canary, "a;" + canary, "%zz" + canary + "=1"} {
		u.requireRefused(t, u.with(query))
	}
	u.requireRefused(t, u.valid+"#"+canary)
	u.requireRefused(t, u.valid+"\x7f"+canary)
	u.requireRefused(t, " "+u.valid+canary)
}
