package zkstore

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"github.com/weirstate/weir/checkpoint"
)

// authVariable is the environment variable with credentials.
const authVariable = "WEIR_ZOOKEEPER_AUTH"

// maxAuthBytes is the maximum size of credentials.
const maxAuthBytes = 4 << 10

// authFromEnvironment returns the credentials in the environment variable, or none.
func authFromEnvironment() (Credentials, error) {
	text := os.Getenv(authVariable)
	if text == "" {
		return Credentials{}, nil
	}
	c, ok := parseCredentials(text)
	if !ok {
		return Credentials{}, fmt.Errorf("zkstore: the environment variable %s is malformed: want user:password: %w",
			authVariable, checkpoint.ErrInvalidOption)
	}
	return c, nil
}

// AuthFile returns a function for Options.Auth that reads the line user:password from a file. It
// returns an error unless the file is a regular file to which only its owner has access; on Windows
// the access is not checked.
func AuthFile(path string) func() (Credentials, error) {
	return func() (Credentials, error) {
		c, err := readAuthFile(path)
		if err != nil {
			return Credentials{}, fmt.Errorf("zkstore: credentials: %w", err)
		}
		return c, nil
	}
}

func readAuthFile(path string) (Credentials, error) {
	if info, err := os.Stat(path); err != nil { // before Open, which would wait for the writer of a named pipe
		return Credentials{}, err
	} else if !info.Mode().IsRegular() {
		return Credentials{}, fmt.Errorf("%s is not a regular file: %w", path, checkpoint.ErrInvalidOption)
	}
	file, err := os.Open(path)
	if err != nil {
		return Credentials{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Credentials{}, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return Credentials{}, fmt.Errorf("%s has mode %#o, want 0600 or 0400: others can read it: %w", path, mode, fs.ErrPermission)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxAuthBytes+1))
	if err != nil {
		return Credentials{}, err
	}
	c, ok := parseCredentials(string(data))
	if !ok {
		return Credentials{}, fmt.Errorf("%s is malformed: want one line user:password: %w", path, checkpoint.ErrInvalidOption)
	}
	return c, nil
}

// parseCredentials parses user:password, with or without an end of line. The password may have
// colons.
func parseCredentials(text string) (Credentials, bool) {
	line := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	user, password, ok := strings.Cut(line, ":")
	ok = ok && user != "" && password != "" && len(line) <= maxAuthBytes && !strings.ContainsAny(line, "\r\n\x00")
	if !ok {
		return Credentials{}, false
	}
	return Credentials{user, password}, true
}
