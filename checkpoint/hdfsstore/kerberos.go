package hdfsstore

import (
	"cmp"
	"fmt"
	"os"
	"strings"

	krb "github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/weirstate/weir/checkpoint"
)

// login returns a Kerberos client. With a keytab it gets its first ticket when a NameNode asks for
// one; it renews tickets in the background until it is destroyed. A missing file of the configuration
// is not fs.ErrNotExist, which would say that an object is missing.
func (k Kerberos) login() (*krb.Client, error) {
	conf, err := config.Load(cmp.Or(k.Config, os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf"))
	if err != nil {
		return nil, fmt.Errorf("HDFS: Kerberos configuration: %v: %w", err, checkpoint.ErrInvalidOption)
	}
	if k.CredentialCache != "" {
		cache, err := credentials.LoadCCache(k.CredentialCache)
		if err != nil {
			return nil, fmt.Errorf("HDFS: Kerberos credential cache: %v: %w", err, checkpoint.ErrInvalidOption)
		}
		c, err := krb.NewFromCCache(cache, conf)
		if err != nil {
			return nil, fmt.Errorf("HDFS: Kerberos credential cache: %v: %w", err, checkpoint.ErrInvalidOption)
		}
		return c, nil
	}
	name, realm, found := strings.Cut(k.Principal, "@")
	if !found || name == "" || realm == "" {
		return nil, fmt.Errorf("HDFS: Kerberos.Principal: want name@REALM: %w", checkpoint.ErrInvalidOption)
	}
	keys, err := keytab.Load(k.Keytab)
	if err != nil {
		return nil, fmt.Errorf("HDFS: Kerberos keytab: %v: %w", err, checkpoint.ErrInvalidOption)
	}
	return krb.NewWithKeytab(name, realm, keys, conf), nil
}
