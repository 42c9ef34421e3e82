package checkpoint

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// credentialWords are parts of the names of credentials, in lower case and without separators:
// "accesskey" stands for access-key, access_key and AccessKey too. None of them is part of the
// name of an option that a storage has: checksum, endpoint, kerberos-keytab, user.
var credentialWords = []string{
	"secret", "token", "password", "passwd", "passphrase", "passcode", "pwd", "credential", "signature", "bearer", "authorization",
	"accesskey", "apikey", "privatekey", "accountkey", "sharedkey", "sessionkey", "encryptionkey", "customerkey", "signingkey",
}

// credentialNames are whole names of credentials that are parts of harmless names.
var credentialNames = []string{"auth", "cookie", "jwt", "key", "pass", "sas", "sig"}

// separators are left out of a key before it is compared with credentialWords.
var separators = strings.NewReplacer("-", "", "_", "", ".", "", " ", "", ":", "", "/", "", "[", "", "]", "", "+", "")

// maxNestedURLs is the number of URLs that may be nested in each other's queries.
const maxNestedURLs = 3

// refuseSecrets returns an error for a URL with credentials: a user, a query key with the name
// of a credential, or such a URL as the value of a query key. Its errors quote at most a word of
// the list above.
func refuseSecrets(u *url.URL) error { return refuseNestedSecrets(u, maxNestedURLs) }

// refuseNestedSecrets is refuseSecrets for a URL in which depth URLs may be nested.
func refuseNestedSecrets(u *url.URL, depth int) error {
	if u.User != nil || strings.Contains(u.Opaque, "@") {
		return fmt.Errorf("the URL has a user or password, which are not allowed: %w", ErrURL)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil { // the error of ParseQuery quotes the query
		return fmt.Errorf("the query is malformed: %w", ErrURL)
	}
	for key, values := range query {
		if err := refuseCredential(key); err != nil {
			return err
		}
		for _, value := range values {
			if err := refuseNestedURL(value, depth-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuseCredential returns an error for a query key with the name of a credential.
func refuseCredential(key string) error {
	if strings.Contains(key, "%") {
		return fmt.Errorf("the URL has a query key that is encoded twice: %w", ErrURL)
	}
	plain := separators.Replace(strings.ToLower(key))
	for _, word := range credentialWords {
		if strings.Contains(plain, word) {
			return fmt.Errorf("the URL has a query key that contains %q, credentials are not allowed: %w", word, ErrURL)
		}
	}
	if slices.Contains(credentialNames, plain) {
		return fmt.Errorf("the URL has the query key %q, credentials are not allowed: %w", plain, ErrURL)
	}
	return nil
}

// refuseNestedURL returns an error if the value of a query key is a URL with credentials.
func refuseNestedURL(value string, depth int) error {
	u, err := url.Parse(value)
	switch {
	case err != nil && strings.Contains(value, "@"):
		return fmt.Errorf("the URL has a query key whose value is a malformed URL: %w", ErrURL)
	case err != nil || u.Scheme == "" && u.Host == "" && u.User == nil:
		return nil // not a URL
	case depth == 0:
		return fmt.Errorf("the URL has more than %d URLs nested in its query: %w", maxNestedURLs, ErrURL)
	}
	if err := refuseNestedSecrets(u, depth); err != nil {
		return fmt.Errorf("the value of a query key: %w", err)
	}
	return nil
}
