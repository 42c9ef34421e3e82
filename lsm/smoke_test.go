package lsm

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/weirstate/weir/internal/vfs"
)

func TestSmoke(t *testing.T) {
	for _, mode := range []LogMode{LogOff, LogBuffered, LogSynced} {
		mem := vfs.NewMem(vfs.MemOptions{})
		o := &Options{FS: mem, MemtableBytes: 20 << 10, FileBytes: 32 << 10, BudgetBytes: 8 << 20, Log: mode}
		db, err := Open("db", o)
		require.NoError(t, err)
		model := map[string]string{}
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range 60000 {
			key := []byte(fmt.Sprintf("%05d", rng.IntN(3000)))
			switch rng.IntN(5) {
			case 0:
				require.NoError(t, db.Delete(key))
				delete(model, string(key))
			case 1:
				require.NoError(t, db.Append(key, []byte("ab")))
				model[string(key)] += "ab"
			case 2:
				v, ok, err := db.Get(key, nil)
				require.NoError(t, err)
				m, there := model[string(key)]
				require.Equal(t, there, ok, "%d %s", i, key)
				require.Equal(t, m, string(v))
			default:
				v := fmt.Sprintf("v%d", i)
				require.NoError(t, db.Put(key, []byte(v)))
				model[string(key)] = v
			}
			if i%20000 == 19999 {
				require.NoError(t, db.Close())
				db, err = Open("db", o)
				require.NoError(t, err)
			}
		}
		it, err := db.Iterator(nil, nil)
		require.NoError(t, err)
		n := 0
		for it.Next() {
			v, err := it.Value()
			require.NoError(t, err)
			require.Equal(t, model[string(it.Key())], string(v))
			n++
		}
		require.NoError(t, it.Err())
		require.NoError(t, it.Close())
		require.Equal(t, len(model), n)
		m := db.Metrics()
		t.Logf("%+v", m)
		require.NoError(t, db.Compact())
		t.Logf("%+v", db.Metrics())
		require.NoError(t, db.Close())
	}
}
